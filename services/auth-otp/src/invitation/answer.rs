//! The invited side: accepting and declining.

use common_types::AccessClaims;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use service_http::ApiError;
use uuid::Uuid;

use super::manage::{audit, decided, missing};
use super::store::{self, InvitationRow};
use crate::member::actions::{note_doctor, of_row};
use crate::member::service::{self as membership, Roles};
use crate::member::store as members;
use crate::organization::Rights;
use crate::session::{proved_phone, revocation};
use crate::state::AppState;

/// Accepts: the caller becomes a member, or gets the roles they lack. Their access tokens end; the next refresh carries
/// what holds then.
///
/// # Errors
/// 403 when this session proves no phone, 404 for another phone's, 409 when it is decided or too late; database
/// failures.
pub(super) async fn accept(
    state: &AppState,
    caller: &AccessClaims,
    id: Uuid,
) -> Result<InvitationRow, ApiError> {
    let now = state.now();
    let (row, ended) = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(InvitationRow, Revocation), ApiError> {
                let row = own(conn, caller, id).await?;
                if row.state != "pending"
                    || row.expires_at <= now
                    || !still_offered(conn, &row).await?
                {
                    return Err(decided());
                }
                let offered = Roles {
                    clinic_role: row
                        .clinic_role
                        .as_deref()
                        .and_then(|role| role.parse().ok()),
                    content_role: row
                        .content_role
                        .as_deref()
                        .and_then(|role| role.parse().ok()),
                };
                let organization = row.organization_id;
                let license = (!row.license_number.is_empty()).then_some(&*row.license_number);
                let (member, before, after) =
                    match members::find_member_of(conn, caller.sub, organization).await? {
                        None => {
                            let id = membership::join(conn, organization, caller.sub, offered, now)
                                .await?;
                            (id, Roles::default(), offered)
                        }
                        // A suspension is an admin's decision and outlasts an old invitation.
                        Some(member) if !member.is_active => return Err(decided()),
                        Some(member) => {
                            let before = of_row(&member);
                            let after = Roles {
                                clinic_role: before.clinic_role.or(offered.clinic_role),
                                content_role: before.content_role.or(offered.content_role),
                            };
                            if before != after {
                                membership::change_roles(conn, member.id, organization, after, now)
                                    .await?;
                            }
                            (member.id, before, after)
                        }
                    };
                note_doctor(conn, member, before, after, license, row.invited_by, now).await?;
                store::decide(conn, id, "accepted", caller.sub, now).await?;
                audit(
                    conn,
                    caller.sub,
                    "invitation.accepted",
                    id,
                    organization,
                    now,
                )
                .await?;
                let ended = revocation::end_tokens_of(conn, state, caller.sub, now).await?;
                Ok((store::get_invitation(conn, id).await?, ended))
            },
        )
        .await?;
    revocation::announce(state, &[ended]);
    Ok(row)
}

/// Declines.
///
/// # Errors
/// As [`accept`].
pub(super) async fn decline(
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
                let row = own(conn, caller, id).await?;
                if row.state != "pending" {
                    return Err(decided());
                }
                store::decide(conn, id, "declined", caller.sub, now).await?;
                audit(
                    conn,
                    caller.sub,
                    "invitation.declined",
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

/// Living invitations of the phone that this session proves; none when it proves none.
///
/// # Errors
/// Database failures.
pub(super) async fn mine(
    state: &AppState,
    caller: &AccessClaims,
) -> Result<Vec<InvitationRow>, ApiError> {
    let mut conn = state.stack.db.get().await?;
    match proved_phone(&mut conn, caller.sid, caller.sub).await? {
        Some(phone) => Ok(store::list_living_of_phone(&mut conn, &phone, state.now()).await?),
        None => Ok(Vec::new()),
    }
}

/// The locked invitation to the phone that this session proves.
async fn own(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    id: Uuid,
) -> Result<InvitationRow, ApiError> {
    let phone = proved_phone(conn, caller.sid, caller.sub)
        .await?
        .ok_or_else(|| {
            ApiError::forbidden("auth.phone_not_proved", "").i18n(
                "برای پاسخ به دعوت‌نامه با کد پیامکی وارد شوید.",
                "Connectez-vous avec un code SMS pour répondre à une invitation.",
                "Log in with an SMS code to answer an invitation.",
            )
        })?;
    store::lock_invitation(conn, id).await?;
    store::find_invitation(conn, id)
        .await?
        .filter(|row| row.phone == phone)
        .ok_or_else(missing)
}

/// The inviter may still offer this, and the organisation is open.
async fn still_offered(
    conn: &mut AsyncPgConnection,
    row: &InvitationRow,
) -> Result<bool, ApiError> {
    let rights = Rights::of_user(
        conn,
        row.invited_by,
        row.inviter_superuser,
        row.organization_id,
    )
    .await?;
    let allowed = rights.is_admin() && (row.clinic_role.is_none() || rights.is_clinic_admin());
    Ok(row.organization_active && row.inviter_active && allowed)
}
