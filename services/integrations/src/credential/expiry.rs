//! Warnings of credentials that end soon: an event, a log row and an alarm, once for each end.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::events::integrations::CredentialExpiring;
use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use service_db::DbError;
use service_events::outbox;
use uuid::Uuid;

use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    schema::provider_credentials,
    state::SERVICE,
};

/// Warned of in one transaction; what is left is found by the next run.
const BATCH: i64 = 500;

#[derive(Debug, QueryableByName)]
struct Ending {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    organization_id: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    provider_id: Uuid,
    #[diesel(sql_type = Text)]
    provider_slug: String,
    #[diesel(sql_type = Text)]
    key_name: String,
    #[diesel(sql_type = Text)]
    environment: String,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
}

/// Active credentials that end before `until` and whose owner does not know, locked.
async fn lock_ending(
    conn: &mut AsyncPgConnection,
    until: DateTime<Utc>,
) -> QueryResult<Vec<Ending>> {
    diesel::sql_query(
        "SELECT c.id, c.organization_id, c.provider_id, p.slug AS provider_slug, c.key_name, c.environment, c.expires_at \
         FROM provider_credentials c JOIN providers p ON p.id = c.provider_id \
         WHERE c.is_active AND c.expires_at <= $1 AND c.expiry_warned_for IS DISTINCT FROM c.expires_at \
         ORDER BY c.expires_at LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
    )
    .bind::<Timestamptz, _>(until)
    .bind::<BigInt, _>(BATCH)
    .load(conn)
    .await
}

/// Warns of every active credential that ends within `credentials.expiry_warning_days`.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn warn(state: &AppState) -> anyhow::Result<()> {
    let now = state.now();
    let until = now + TimeDelta::days(state.settings.credentials.expiry_warning_days);
    let warned = state
        .stack
        .db
        .transaction(async |conn| {
            let ending = lock_ending(conn, until).await?;
            for one in &ending {
                tell(conn, one, now).await?;
            }
            Ok::<_, DbError>(ending.len())
        })
        .await?;
    if warned > 0 {
        state.stack.outbox.wake();
    }
    Ok(())
}

async fn tell(conn: &mut AsyncPgConnection, one: &Ending, now: DateTime<Utc>) -> QueryResult<()> {
    let ended = one.expires_at <= now;
    tracing::error!(
        alarm = "credentials.expiring",
        credential = %one.id,
        provider = %one.provider_slug,
        expires_at = %one.expires_at,
        ended,
        "a provider's credential must be rotated"
    );
    let event = CredentialExpiring {
        credential_id: one.id,
        aggregate_version: now.timestamp_micros(),
        organization_id: one.organization_id,
        provider_slug: one.provider_slug.clone(),
        key_name: one.key_name.clone(),
        environment: one.environment.clone(),
        expires_at: one.expires_at,
        found_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    let log = NewLog {
        provider_id: Some(one.provider_id),
        organization_id: one.organization_id,
        request_data: json!({"credential_id": one.id, "environment": one.environment, "expires_at": one.expires_at}),
        error_message: if ended {
            "a credential has expired".to_owned()
        } else {
            "a credential expires soon".to_owned()
        },
        ..NewLog::new(
            if ended { "critical" } else { "warning" },
            "credentials",
            "credential_expiring",
        )
    };
    insert_log(conn, log, now).await?;
    diesel::update(provider_credentials::table.find(one.id))
        .set(provider_credentials::expiry_warned_for.eq(Some(one.expires_at)))
        .execute(conn)
        .await
        .map(|_| ())
}
