//! Deleting an account: it is gone from the lists, and nothing that names it is touched.

use common_types::AccessClaims;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;

use super::change::still_admin;
use super::store::{self, AccountChanges};
use super::{Desk, french};
use crate::member::service as membership;
use crate::session::revocation;
use crate::state::AppState;
use crate::user::service;

/// A clinic's admin ends the membership; of an account that the clinic made, the password goes too, and without a phone
/// it is closed. A superuser closes the account. Either way the account's tokens end at once.
///
/// # Errors
/// 400 for oneself, 403, 404, 409 for the last admin; database failures.
pub(super) async fn remove(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<(), ApiError> {
    let mut conn = state.stack.db.get().await?;
    let desk = Desk::of(&mut conn, caller).await?;
    let target = desk.find(&mut conn, caller, number).await?;
    drop(conn);
    if !desk.admin || (target.user.is_superuser && !desk.superuser) {
        return Err(french::denied());
    }
    if target.user.id == caller.sub {
        return Err(french::not_oneself());
    }
    let now = state.now();
    let user = &target.user;
    let managed = user.managed_by.is_some() && user.managed_by == desk.organization;
    let closes = desk.superuser || (managed && user.phone.is_none());
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                still_admin(conn, &desk, caller).await?;
                let entry = AuditEntry::new(caller.sub, ActorKind::User, "user.removed", now)
                    .subject("user", user.id)
                    .organization(desk.organization)
                    .origin(None, service_telemetry::current_request_id())
                    .details(json!({"closed": closes}));
                service_audit::record(conn, entry).await?;
                if let (Some(member), Some(organization)) =
                    (target.membership_id, desk.organization)
                {
                    membership::leave(conn, member, organization, now).await?;
                }
                if closes || managed {
                    let changes = AccountChanges {
                        is_active: closes.then_some(false),
                        is_superuser: closes.then_some(false),
                        removed_at: closes.then_some(Some(now)),
                        password_hash: Some(None),
                        managed_by: Some(None),
                        // The handle is free again: nobody can type the `#` that retires it.
                        username: user
                            .username
                            .as_ref()
                            .map(|name| Some(retired(name, user.number))),
                        ..AccountChanges::default()
                    };
                    let user = store::update_account(conn, user.id, &changes, now).await?;
                    service::tell(conn, &user, now).await?;
                    let mut ended = revocation::end_sessions_of(
                        conn,
                        state,
                        user.id,
                        None,
                        "account_removed",
                        now,
                    )
                    .await?;
                    ended.push(revocation::end_tokens_of(conn, state, user.id, now).await?);
                    return Ok(ended);
                }
                Ok(vec![
                    revocation::end_tokens_of(conn, state, user.id, now).await?,
                ])
            },
        )
        .await?;
    state.stack.outbox.wake();
    revocation::announce(state, &ended);
    Ok(())
}

fn retired(name: &str, number: i64) -> String {
    let end = format!("#{number}");
    let kept: String = name.chars().take(150 - end.len()).collect();
    format!("{kept}{end}")
}
