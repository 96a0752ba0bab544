//! The operator's commands: `keys list|rotate|retire <kid>`, `api-keys list|create <name> <scope>…|revoke <id>`.

use std::io::Write;

use uuid::Uuid;

use crate::api_key;
use crate::state::AppState;

const USAGE: &str = "keys list | keys rotate | keys retire <kid> | \
                     api-keys list | api-keys create <name> <scope>... | api-keys revoke <id>";

/// Runs one command.
///
/// # Errors
/// When there is no such command, or it fails.
pub async fn command(state: &AppState, arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = Vec::new();
    match words.as_slice() {
        ["keys", "list"] => {
            for key in state.keys.list().await? {
                writeln!(
                    out,
                    "{}  {}  {}",
                    key.kid,
                    key.created_at.to_rfc3339(),
                    key.state
                )?;
            }
        }
        ["keys", "rotate"] => writeln!(out, "{}", state.keys.rotate().await?)?,
        ["keys", "retire", kid] => state.keys.retire(kid).await?,
        ["api-keys", "list"] => {
            let mut conn = state.stack.db.get().await?;
            for key in api_key::store::list_api_keys(&mut conn).await? {
                let state = if key.revoked_at.is_some() {
                    "revoked"
                } else {
                    "active"
                };
                writeln!(
                    out,
                    "{}  {}…  {}  {}  {state}",
                    key.id,
                    key.hint,
                    key.name,
                    key.scopes.join(",")
                )?;
            }
        }
        ["api-keys", "create", name, scopes @ ..] if !scopes.is_empty() => {
            let key = api_key::generate();
            let mut conn = state.stack.db.get().await?;
            api_key::ensure(&mut conn, &key, name, scopes, None, state.now()).await?;
            // Shown once; only its hash is stored.
            writeln!(out, "{key}")?;
        }
        ["api-keys", "revoke", id] => {
            let mut conn = state.stack.db.get().await?;
            let id: Uuid = id.parse()?;
            anyhow::ensure!(
                api_key::store::revoke_api_key(&mut conn, id, state.now()).await?,
                "there is no living API key {id}"
            );
        }
        _ => anyhow::bail!("usage: {USAGE}"),
    }
    std::io::stdout().write_all(&out)?;
    Ok(())
}
