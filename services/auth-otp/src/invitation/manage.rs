//! The inviting side: making, sending again, revoking.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{AccessClaims, ClinicRole, ContentRole, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::text::{not_a_choice, required};
use service_http::{ApiError, Text};
use uuid::Uuid;

use super::dto::InvitationRequest;
use super::send::{Fare, deliver, may_send};
use super::store::{self, Budget, InvitationRow, NewInvitation};
use crate::member::actions::{LICENSE_CHARS, role};
use crate::member::store as members;
use crate::organization::{Rights, store as organizations};
use crate::state::AppState;
use crate::user::store as users;
use crate::validate::{Errors, missing_object};

/// Makes an invitation and sends the text message.
///
/// # Errors
/// 400 by field, 403, 409 for a living one or a closed organisation, 429; database failures.
pub(super) async fn invite(
    state: &AppState,
    caller: &AccessClaims,
    body: InvitationRequest,
) -> Result<InvitationRow, ApiError> {
    let mut errors = Errors::new();
    let content: Option<ContentRole> = role("role", Some(&body.role), None, &mut errors);
    let clinic: Option<ClinicRole> =
        role("clinic_role", Some(&body.clinic_role), None, &mut errors);
    if body.role.is_none() && body.clinic_role.is_none() {
        errors.add("role", required());
    }
    let license = errors
        .text("license_number", body.license_number, LICENSE_CHARS)
        .unwrap_or_default();
    let language = match body.language.as_deref() {
        None => caller.lang,
        Some(word) => word.parse().unwrap_or_else(|_| {
            errors.add("language", not_a_choice(word));
            caller.lang
        }),
    };
    let phone = match body.phone_number.as_deref().map(PhoneNumber::parse) {
        None => {
            errors.add("phone_number", required());
            None
        }
        Some(Err(error)) => {
            errors.add("phone_number", error.to_string());
            None
        }
        Some(Ok(phone)) => Some(phone),
    };
    let mut conn = state.stack.db.get().await?;
    let mut organization = None;
    match body.organization {
        None => errors.add("organization", required()),
        Some(number) => {
            if let Some(row) = organizations::find_organization(&mut conn, number).await? {
                let rights = Rights::in_organization(&mut conn, caller, row.id).await?;
                organization = rights.is_member().then_some((row, rights));
            }
            if organization.is_none() {
                errors.add("organization", missing_object(&number.to_string()));
            }
        }
    }
    drop(conn);
    errors.into_result()?;
    let (Some((organization, rights)), Some(phone)) = (organization, phone) else {
        return Err(ApiError::permission_denied());
    };
    rights.require_admin()?;
    if clinic.is_some() {
        rights.require_clinic_admin()?;
    }
    if !organization.is_active {
        return Err(organization_closed());
    }
    may_send(state, &phone, organization.id).await?;
    let fare = Fare::take(state, organization.id).await?;
    let now = state.now();
    let new = NewInvitation {
        id: Uuid::now_v7(),
        organization_id: organization.id,
        phone: phone.e164().to_owned(),
        clinic_role: clinic.map(ClinicRole::as_str),
        content_role: content.map(ContentRole::as_str),
        license_number: license,
        language: language.as_str(),
        invited_by: caller.sub,
        sends: 1,
        sent_at: now,
        created_at: now,
        expires_at: now + TimeDelta::seconds(state.settings.invitations.lifetime_seconds),
    };
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<InvitationRow, ApiError> {
                // Locked, so that invitations of one organisation are counted one after another.
                organizations::lock_organization(conn, new.organization_id).await?;
                if let Some(user) = users::find_user_by_phone(conn, &new.phone).await?
                    && members::find_member_of(conn, user.id, new.organization_id)
                        .await?
                        .is_some()
                {
                    return Err(ApiError::invalid().field("phone_number", already_member()));
                }
                store::expire_of_phone(conn, new.organization_id, &new.phone, now).await?;
                afford(
                    conn,
                    state,
                    new.organization_id,
                    caller.sub,
                    &new.phone,
                    now,
                )
                .await?;
                store::insert_invitation(conn, &new)
                    .await
                    .map_err(waiting)?;
                audit(
                    conn,
                    caller.sub,
                    "invitation.created",
                    new.id,
                    new.organization_id,
                    now,
                )
                .await?;
                Ok(store::get_invitation(conn, new.id).await?)
            },
        )
        .await;
    let row = kept(state, &fare, row).await?;
    deliver(state, row, &fare, clinic, content, language).await
}

/// Sends the text message again; the time starts anew.
///
/// # Errors
/// 404, 403, 409 when it is decided or was sent too often, 429; database failures.
pub(super) async fn resend(
    state: &AppState,
    caller: &AccessClaims,
    id: Uuid,
) -> Result<InvitationRow, ApiError> {
    let limits = &state.settings.invitations;
    let mut conn = state.stack.db.get().await?;
    let (seen, _) = administered(&mut conn, caller, id).await?;
    drop(conn);
    let phone = PhoneNumber::parse(&seen.phone).map_err(anyhow::Error::from)?;
    may_send(state, &phone, seen.organization_id).await?;
    let fare = Fare::take(state, seen.organization_id).await?;
    let now = state.now();
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<InvitationRow, ApiError> {
                store::lock_invitation(conn, id).await?;
                let (row, _) = administered(conn, caller, id).await?;
                if !row.organization_active {
                    return Err(organization_closed());
                }
                if !matches!(row.state.as_str(), "pending" | "expired") {
                    return Err(decided());
                }
                if row.sends >= limits.sends {
                    return Err(ApiError::conflict("auth.invitation_sent_too_often", "").i18n(
                        "این دعوت‌نامه به اندازهٔ کافی فرستاده شده است. آن را لغو و از نو دعوت کنید.",
                        "Cette invitation a été envoyée trop de fois. Révoquez-la et invitez de nouveau.",
                        "This invitation was sent too often. Revoke it and invite again.",
                    ));
                }
                if let Some(sent_at) = row.sent_at {
                    let next = sent_at + TimeDelta::seconds(limits.resend_seconds);
                    if now < next {
                        return Err(too_soon((next - now).num_seconds() + 1));
                    }
                }
                organizations::lock_organization(conn, row.organization_id).await?;
                afford(conn, state, row.organization_id, caller.sub, &row.phone, now).await?;
                let until = now + TimeDelta::seconds(limits.lifetime_seconds);
                store::renew(conn, id, until, now).await.map_err(waiting)?;
                audit(conn, caller.sub, "invitation.resent", id, row.organization_id, now).await?;
                Ok(store::get_invitation(conn, id).await?)
            },
        )
        .await;
    let row = kept(state, &fare, row).await?;
    let clinic = row
        .clinic_role
        .as_deref()
        .and_then(|role| role.parse().ok());
    let content = row
        .content_role
        .as_deref()
        .and_then(|role| role.parse().ok());
    let language = row.language.parse().unwrap_or(caller.lang);
    deliver(state, row, &fare, clinic, content, language).await
}

/// Takes a waiting invitation back.
///
/// # Errors
/// 404, 403, 409 when it is decided; database failures.
pub(super) async fn revoke(
    state: &AppState,
    caller: &AccessClaims,
    id: Uuid,
) -> Result<InvitationRow, ApiError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<InvitationRow, ApiError> {
                store::lock_invitation(conn, id).await?;
                let (row, _) = administered(conn, caller, id).await?;
                if row.state != "pending" {
                    return Err(decided());
                }
                store::decide(conn, id, "revoked", caller.sub, now).await?;
                audit(
                    conn,
                    caller.sub,
                    "invitation.revoked",
                    id,
                    row.organization_id,
                    now,
                )
                .await?;
                Ok(store::get_invitation(conn, id).await?)
            },
        )
        .await
}

/// What the transaction gave; the fare goes back when there is nothing to send.
async fn kept(
    state: &AppState,
    fare: &Fare,
    outcome: Result<InvitationRow, ApiError>,
) -> Result<InvitationRow, ApiError> {
    if outcome.is_err() {
        fare.give_back(state).await;
    }
    outcome
}

/// The invitation when the caller administers its organisation; members get 403, strangers 404.
///
/// # Errors
/// 403, 404; database failures.
pub(super) async fn administered(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    id: Uuid,
) -> Result<(InvitationRow, Rights), ApiError> {
    let row = store::find_invitation(conn, id)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::in_organization(conn, caller, row.organization_id).await?;
    if !rights.is_member() {
        return Err(missing());
    }
    rights.require_admin()?;
    if row.clinic_role.is_some() {
        rights.require_clinic_admin()?;
    }
    Ok((row, rights))
}

pub(super) fn missing() -> ApiError {
    ApiError::no_match("auth.object_missing", "Invitation")
}

pub(super) fn decided() -> ApiError {
    ApiError::conflict("auth.invitation_decided", "").i18n(
        "این دعوت‌نامه دیگر باز نیست.",
        "Cette invitation n'est plus ouverte.",
        "This invitation is not open any more.",
    )
}

fn organization_closed() -> ApiError {
    ApiError::conflict("auth.organization_closed", "").i18n(
        "این سازمان بسته است.",
        "Cette organisation est fermée.",
        "This organisation is closed.",
    )
}

fn already_member() -> Text {
    Text::i18n(
        "این شماره هم‌اکنون عضو است.",
        "Ce numéro est déjà membre.",
        "This number is a member already.",
    )
}

fn too_soon(seconds: i64) -> ApiError {
    ApiError::too_many(u64::try_from(seconds).unwrap_or(1))
}

fn waiting(error: diesel::result::Error) -> ApiError {
    if service_db::violated(&error) == Some("invitations_pending_key") {
        return ApiError::conflict("auth.invitation_waits", "").i18n(
            "برای این شماره دعوت‌نامهٔ بازی هست.",
            "Une invitation attend déjà pour ce numéro.",
            "An invitation already waits for this number.",
        );
    }
    ApiError::from(error)
}

/// 429 when the organisation, the inviter or the phone has had its text messages of the day.
async fn afford(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    organization: Uuid,
    inviter: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    const HOUR: i64 = 3_600;
    let limits = &state.settings.invitations;
    for (budget, most) in [
        (
            Budget::Organization(organization),
            limits.organization_per_day,
        ),
        (Budget::Inviter(inviter), limits.inviter_per_day),
        (Budget::Phone(phone), limits.phone_per_day),
    ] {
        if store::count_sends(conn, budget, now).await? >= most {
            metrics::counter!("auth_invitations_refused_total").increment(1);
            return Err(too_soon(HOUR));
        }
    }
    Ok(())
}

pub(super) async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    id: Uuid,
    organization: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("invitation", id)
        .organization(Some(organization))
        .origin(None, service_telemetry::current_request_id())
        .details(json!({}));
    service_audit::record(conn, entry).await?;
    Ok(())
}
