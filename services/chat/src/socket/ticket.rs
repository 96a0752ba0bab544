//! Single-use tickets of at most thirty seconds that open a socket, so that no access token need
//! stand in an address (Q-C1).

use chrono::{DateTime, TimeDelta, Utc};
use common_types::AccessClaims;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_auth::tokens;
use service_db::Db;

use crate::{error::ChatError, schema::socket_tickets};

/// How long a ticket waits to be used, in seconds.
pub(crate) const LIFETIME_SECONDS: i64 = 30;

/// Makes a ticket for whoever holds `claims`; only its hash is kept.
pub(crate) async fn issue(
    conn: &mut AsyncPgConnection,
    claims: &AccessClaims,
    now: DateTime<Utc>,
) -> Result<String, ChatError> {
    let ticket = tokens::random_alphanumeric(48);
    let kept = serde_json::to_value(claims).map_err(anyhow::Error::from)?;
    diesel::insert_into(socket_tickets::table)
        .values((
            socket_tickets::ticket_hash.eq(tokens::sha256_hex(ticket.as_bytes())),
            socket_tickets::claims.eq(kept),
            socket_tickets::expires_at.eq(now + TimeDelta::seconds(LIFETIME_SECONDS)),
        ))
        .execute(conn)
        .await?;
    Ok(ticket)
}

/// Takes a ticket; of two that try at once, one gets it.
pub(crate) async fn redeem(
    conn: &mut AsyncPgConnection,
    ticket: &str,
    now: DateTime<Utc>,
) -> Result<Option<AccessClaims>, ChatError> {
    let kept: Option<serde_json::Value> = diesel::delete(
        socket_tickets::table
            .find(tokens::sha256_hex(ticket.as_bytes()))
            .filter(socket_tickets::expires_at.gt(now)),
    )
    .returning(socket_tickets::claims)
    .get_result(conn)
    .await
    .optional()?;
    match kept {
        Some(claims) => Ok(Some(
            serde_json::from_value(claims).map_err(anyhow::Error::from)?,
        )),
        None => Ok(None),
    }
}

/// Removes tickets nobody used.
pub(crate) async fn sweep(db: &Db, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut conn = db.get().await?;
    diesel::delete(socket_tickets::table.filter(socket_tickets::expires_at.lt(now)))
        .execute(&mut conn)
        .await?;
    Ok(())
}
