//! What one does with members, whatever the route's presentation.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use common_types::internal::auth::Revocation;
use common_types::{AccessClaims, ClinicRole, Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;
use service_http::text::{Text, not_a_choice, required};
use uuid::Uuid;

use super::dto::{MemberRequest, MemberResponse};
use super::service::{self, Roles};
use super::store::{self, MemberRow};
use crate::organization::{Rights, store as organizations};
use crate::session::revocation;
use crate::state::AppState;
use crate::user::{User, service as users, store as user_store};
use crate::validate::{Errors, missing_object};

const MODEL: &str = "OrganizationMember";
/// Most characters of a licence number.
pub(crate) const LICENSE_CHARS: usize = 50;

/// Makes somebody a member; admins only. A clinic role needs a clinic admin, and so does adding a stranger by phone:
/// others invite, or anyone could read the name behind any number.
///
/// # Errors
/// 400 by field, 403; database failures.
pub(crate) async fn add(
    state: &AppState,
    caller: &AccessClaims,
    body: MemberRequest,
) -> Result<MemberResponse, ApiError> {
    let mut errors = Errors::new();
    let roles = roles(&body, Roles::default(), &mut errors);
    if body.user_id.is_none() && body.phone_number.is_none() {
        errors.add("user_id", required());
    }
    let mut named = body.role.iter().chain(&body.clinic_role).flatten();
    if named.next().is_none() {
        errors.add("role", required());
    }
    let license = errors.text("license_number", body.license_number, LICENSE_CHARS);
    let phone = body
        .phone_number
        .as_deref()
        .map(PhoneNumber::parse)
        .transpose();
    let phone = phone.unwrap_or_else(|error| {
        errors.add("phone_number", error.to_string());
        None
    });
    let mut conn = state.stack.db.get().await?;
    let organization = match body.organization {
        Some(number) => seen_organization(&mut conn, caller, number, &mut errors).await?,
        None => {
            errors.add("organization", required());
            None
        }
    };
    let user = match body.user_id {
        Some(number) => {
            let user = known_user(&mut conn, caller, number).await?;
            if user.is_none() {
                errors.add("user_id", missing_object(&number.to_string()));
            }
            user
        }
        None => None,
    };
    drop(conn);
    errors.into_result()?;
    let (organization, rights) = organization.ok_or_else(ApiError::permission_denied)?;
    allow(&rights, Roles::default(), roles)?;
    if user.is_none() && !rights.is_clinic_admin() {
        return Err(ApiError::invalid().field("phone_number", must_be_invited()));
    }
    let now = state.now();
    let actor = caller.sub;
    let member = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<MemberRow, ApiError> {
                let user = the_user(conn, user.as_ref(), phone.as_ref(), caller.lang, now).await?;
                let id = service::join(conn, organization, user, roles, now)
                    .await
                    .map_err(taken)?;
                note_doctor(
                    conn,
                    id,
                    Roles::default(),
                    roles,
                    license.as_deref(),
                    actor,
                    now,
                )
                .await?;
                let member = store::get_member(conn, id).await?;
                audit(conn, actor, "member.added", &member, now).await?;
                Ok(member)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(MemberResponse::from(member))
}

/// Changes a member's roles, licence number or suspension; admins only, what concerns the clinic by clinic admins. The
/// member's access tokens end: the next refresh carries what holds then.
///
/// # Errors
/// 400, 403, 404, 409; database failures.
pub(crate) async fn change(
    state: &AppState,
    caller: &AccessClaims,
    member: MemberRow,
    rights: &Rights,
    body: &MemberRequest,
) -> Result<MemberRow, ApiError> {
    let before = of_row(&member);
    let mut errors = Errors::new();
    let after = roles(body, before, &mut errors);
    let license = errors.text("license_number", body.license_number.clone(), LICENSE_CHARS);
    errors.into_result()?;
    allow(rights, before, after)?;
    let suspension = body.is_active.filter(|wanted| *wanted != member.is_active);
    if (suspension.is_some() && before.clinic_role.is_some()) || license.is_some() {
        rights.require_clinic_admin()?;
    }
    if suspension == Some(false) && member.user_id == caller.sub {
        return Err(ApiError::permission_denied());
    }
    let (now, actor) = (state.now(), caller.sub);
    let (member, ended) = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(MemberRow, Revocation), ApiError> {
                let (id, organization) = (member.id, member.organization_id);
                if let Some(is_active) = suspension {
                    service::change_active(conn, id, organization, is_active, now).await?;
                }
                if before != after {
                    service::change_roles(conn, id, organization, after, now).await?;
                }
                note_doctor(conn, id, before, after, license.as_deref(), actor, now).await?;
                let member = store::get_member(conn, id).await?;
                audit(conn, actor, "member.changed", &member, now).await?;
                let ended = revocation::end_tokens_of(conn, state, member.user_id, now).await?;
                Ok((member, ended))
            },
        )
        .await?;
    revocation::announce(state, &[ended]);
    Ok(member)
}

/// Ends a membership; admins, or the member.
///
/// # Errors
/// 403, 409; database failures.
pub(crate) async fn remove(
    state: &AppState,
    caller: &AccessClaims,
    member: &MemberRow,
    rights: &Rights,
) -> Result<(), ApiError> {
    if member.user_id != caller.sub {
        allow(rights, of_row(member), Roles::default())?;
    }
    let (now, actor) = (state.now(), caller.sub);
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Revocation, ApiError> {
                audit(conn, actor, "member.removed", member, now).await?;
                service::leave(conn, member.id, member.organization_id, now).await?;
                Ok(revocation::end_tokens_of(conn, state, member.user_id, now).await?)
            },
        )
        .await?;
    revocation::announce(state, &[ended]);
    Ok(())
}

/// Writes down who approved a doctor and under which licence number (seeds.md 1.9, 11).
pub(crate) async fn note_doctor(
    conn: &mut AsyncPgConnection,
    membership: Uuid,
    before: Roles,
    after: Roles,
    license: Option<&str>,
    approver: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let (was, is) = (
        before.clinic_role == Some(ClinicRole::Doctor),
        after.clinic_role == Some(ClinicRole::Doctor),
    );
    if is && (!was || license.is_some()) {
        store::update_doctor(conn, membership, license, Some((approver, now))).await?;
    } else if !is && (was || license.is_some()) {
        store::update_doctor(conn, membership, license, None).await?;
    }
    Ok(())
}

fn must_be_invited() -> Text {
    Text::i18n(
        "این شماره را با دعوت‌نامه اضافه کنید.",
        "Invitez ce numéro.",
        "Invite this number instead.",
    )
}

/// Admins change members; what touches a clinic role needs a clinic admin.
pub(crate) fn allow(rights: &Rights, before: Roles, after: Roles) -> Result<(), ApiError> {
    rights.require_admin()?;
    if before.clinic_role != after.clinic_role && !rights.is_clinic_admin() {
        return Err(ApiError::permission_denied());
    }
    Ok(())
}

pub(crate) fn of_row(member: &MemberRow) -> Roles {
    Roles {
        clinic_role: member
            .clinic_role
            .as_deref()
            .and_then(|role| role.parse().ok()),
        content_role: member
            .content_role
            .as_deref()
            .and_then(|role| role.parse().ok()),
    }
}

fn roles(body: &MemberRequest, before: Roles, errors: &mut Errors) -> Roles {
    Roles {
        content_role: role("role", body.role.as_ref(), before.content_role, errors),
        clinic_role: role(
            "clinic_role",
            body.clinic_role.as_ref(),
            before.clinic_role,
            errors,
        ),
    }
}

pub(crate) fn role<R: FromStr>(
    name: &str,
    given: Option<&Option<String>>,
    before: Option<R>,
    errors: &mut Errors,
) -> Option<R> {
    match given {
        None => before,
        Some(None) => None,
        Some(Some(word)) => word
            .parse()
            .map_err(|_| errors.add(name, not_a_choice(word)))
            .ok(),
    }
}

async fn seen_organization(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    number: i64,
    errors: &mut Errors,
) -> Result<Option<(Uuid, Rights)>, ApiError> {
    if let Some(row) = organizations::find_organization(conn, number).await? {
        let rights = Rights::in_organization(conn, caller, row.id).await?;
        if rights.is_member() {
            return Ok(Some((row.id, rights)));
        }
    }
    errors.add("organization", missing_object(&number.to_string()));
    Ok(None)
}

/// A number alone names only people the caller can already see; strangers are invited by phone, or anyone could
/// read names and phones by counting upwards.
async fn known_user(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    number: i64,
) -> Result<Option<User>, ApiError> {
    let Some(user) = user_store::find_user_by_number(conn, number).await? else {
        return Ok(None);
    };
    let known = caller.superuser
        || user.id == caller.sub
        || store::share_an_organization(conn, caller.sub, user.id).await?;
    Ok(known.then_some(user))
}

async fn the_user(
    conn: &mut AsyncPgConnection,
    found: Option<&User>,
    phone: Option<&PhoneNumber>,
    language: Language,
    now: DateTime<Utc>,
) -> Result<Uuid, ApiError> {
    match (found, phone) {
        (Some(user), _) => Ok(user.id),
        (None, Some(phone)) => Ok(users::find_or_register(conn, phone, language, now)
            .await?
            .0
            .id),
        (None, None) => Err(ApiError::invalid().field("user_id", required())),
    }
}

/// The member and the caller's rights there; 404 for strangers.
///
/// # Errors
/// 404; database failures.
pub(crate) async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    number: i64,
) -> Result<(MemberRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let member = store::find_member(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, member.organization_id, MODEL).await?;
    Ok((member, rights))
}

fn taken(error: diesel::result::Error) -> ApiError {
    if service_db::violated(&error) == Some("memberships_user_organization_key") {
        return ApiError::invalid().field(
            "non_field_errors",
            "The fields user, organization must make a unique set.",
        );
    }
    ApiError::from(error)
}

pub(crate) async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    member: &MemberRow,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("user", member.user_id)
        .organization(Some(member.organization_id))
        .origin(None, service_telemetry::current_request_id())
        .details(json!({"clinic_role": member.clinic_role, "content_role": member.content_role}));
    service_audit::record(conn, entry).await?;
    Ok(())
}
