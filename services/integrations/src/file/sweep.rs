//! Removes from the store what is no file: broken uploads, deleted files.

use std::time::Duration;

use super::store;
use crate::AppState;

const BATCH: i64 = 200;

/// Sweeps once.
///
/// # Errors
/// When database or store does not answer.
pub(crate) async fn run(state: &AppState) -> anyhow::Result<()> {
    let Some(files) = &state.files else {
        return Ok(());
    };
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    store::delete_old_tickets(&mut conn, now).await?;
    for key in store::list_due_leftovers(&mut conn, now, BATCH).await? {
        files.delete(&key).await?;
        store::delete_leftover(&mut conn, &key).await?;
    }
    drop(conn);
    files.sweep(Duration::from_secs(86_400)).await?;
    Ok(())
}
