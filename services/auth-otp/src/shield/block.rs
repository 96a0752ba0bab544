//! Blocking an address by itself.

use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};

use super::{model, store};
use crate::code::CodeError;
use crate::state::AppState;

/// Blocks a source; each further block lasts four times as long. Nothing happens while one stands.
///
/// # Errors
/// Database failures.
pub(super) async fn raise(state: &AppState, source: &str, reason: &str) -> Result<(), CodeError> {
    let now = state.now();
    let first = state.settings.shield.block_seconds;
    let blocked = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<bool, CodeError> {
                let known = store::lock_block(conn, source).await?;
                if known.as_ref().is_some_and(|row| row.expires_at > now) {
                    return Ok(false);
                }
                let times = known.map_or(1, |row| row.times.saturating_add(1));
                let expires_at = now + model::block_length(first, times);
                let id =
                    store::put_block(conn, source, reason, times, None, now, expires_at).await?;
                let entry =
                    AuditEntry::new("auth-otp", ActorKind::System, "auth.source_blocked", now)
                        .subject("blocked_source", id)
                        .details(json!({"reason": reason, "times": times, "until": expires_at}));
                service_audit::record(conn, entry).await?;
                Ok(true)
            },
        )
        .await?;
    if blocked {
        metrics::counter!("auth_sources_blocked_total").increment(1);
        tracing::warn!(%source, reason, "a source is blocked");
        state.shield.snapshots.forget();
    }
    Ok(())
}
