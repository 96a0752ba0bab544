//! Sealing anew what rests under an older key, so that a key can be retired: make the new one active, wait until nothing
//! is left under the old one, remove the old one. Contents that end by themselves within days are left to end.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use service_db::DbError;
use uuid::Uuid;

use crate::AppState;

/// Table, its key, and the sealed column.
const COLUMNS: [(&str, &str, &str); 5] = [
    ("provider_credentials", "id", "value_sealed"),
    ("webhook_endpoints", "id", "secret_sealed"),
    ("webhook_endpoints", "id", "previous_secret_sealed"),
    ("outgoing_secrets", "id", "secret_sealed"),
    ("sms_callbacks", "provider_id", "secret_sealed"),
];
/// Rows of one transaction.
const BATCH: i64 = 100;

#[derive(QueryableByName)]
struct Sealed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    sealed: String,
}

/// Seals every lasting value and file anew that rests under another key than the active one; answers how many. One that
/// cannot be opened is left and told of: its key is missing.
///
/// # Errors
/// When database or store does not answer.
pub(crate) async fn run(state: &AppState) -> anyhow::Result<usize> {
    let mut done = 0;
    for (table, key, column) in COLUMNS {
        let mut after = Uuid::nil();
        loop {
            let (seen, last, sealed) = batch(state, table, key, column, after).await?;
            done += sealed;
            if seen < usize::try_from(BATCH)? {
                break;
            }
            after = last;
        }
    }
    if let Some(files) = &state.files {
        done += files.reseal().await?.done;
    }
    if done > 0 {
        tracing::info!(
            values = done,
            key = state.sealer.active_key_id(),
            "sealed anew"
        );
    }
    Ok(done)
}

/// One batch beyond `after`: how many rows it saw, the last of them, and how many were sealed anew.
async fn batch(
    state: &AppState,
    table: &'static str,
    key: &'static str,
    column: &'static str,
    after: Uuid,
) -> Result<(usize, Uuid, usize), DbError> {
    let current = format!("v1.{}.", state.sealer.active_key_id());
    state
        .stack
        .db
        .transaction(async |conn| {
            let rows: Vec<Sealed> = diesel::sql_query(format!(
                "SELECT {key} AS id, {column} AS sealed FROM {table} WHERE {key} > $1 \
                 AND NOT starts_with({column}, $2) ORDER BY {key} LIMIT $3 FOR UPDATE"
            ))
            .bind::<SqlUuid, _>(after)
            .bind::<Text, _>(current.as_str())
            .bind::<BigInt, _>(BATCH)
            .load(conn)
            .await?;
            let mut sealed = 0;
            for row in &rows {
                let opened = match state.open(table, row.id, column, &row.sealed) {
                    Ok(opened) => opened,
                    Err(error) => {
                        tracing::error!(
                            alarm = "sealing.unreadable", table, column, row = %row.id, %error,
                            "a sealed value cannot be opened: is its key still listed?"
                        );
                        continue;
                    }
                };
                let anew = state.seal(table, row.id, column, opened.as_bytes());
                diesel::sql_query(format!("UPDATE {table} SET {column} = $2 WHERE {key} = $1"))
                    .bind::<SqlUuid, _>(row.id)
                    .bind::<Text, _>(anew)
                    .execute(conn)
                    .await?;
                sealed += 1;
            }
            let last = rows.last().map_or(after, |row| row.id);
            Ok::<_, DbError>((rows.len(), last, sealed))
        })
        .await
}
