//! Login limits (decision 14): per key and source, per IP address, and a slow one per key for unknown devices. A try
//! counts as failed from its start, so parallel guesses cannot slip past; a device that once logged in keeps its own budget, so
//! strangers cannot lock the patient out.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{schema::login_attempts, settings::PortalSettings};

/// Where a try comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) ip: String,
    /// The device that once logged in with this very key, by its cookie.
    pub(crate) device: Option<String>,
}

impl Source {
    fn name(&self) -> String {
        match &self.device {
            Some(device) => format!("device:{device}"),
            None => format!("ip:{}", self.ip),
        }
    }
}

/// What [`begin`] decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Go on; the try has this id.
    Open(Uuid),
    /// Seconds until the next try may be made.
    Locked(u64),
}

/// Takes one try from the budgets of key, source and address, in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn begin(
    conn: &mut AsyncPgConnection,
    settings: &PortalSettings,
    per_address: u32,
    lookup: &[u8; 32],
    source: &Source,
    now: DateTime<Utc>,
) -> QueryResult<Gate> {
    let short = |bytes: &[u8]| {
        i64::from_be_bytes(
            bytes
                .get(..8)
                .and_then(|b| b.try_into().ok())
                .unwrap_or_default(),
        )
    };
    // One counter at a time per key and per address; always in this order.
    for lock in [
        short(lookup),
        short(&service_auth::tokens::hmac_sha256(
            b"ip",
            &[source.ip.as_bytes()],
        )),
    ] {
        sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<BigInt, _>(lock)
            .execute(conn)
            .await?;
    }
    let window = TimeDelta::seconds(i64::from(settings.login_window_seconds));
    let name = source.name();
    let mine = failures(conn, now - window, |query| {
        query
            .filter(login_attempts::key_lookup.eq(lookup.to_vec()))
            .filter(login_attempts::source.eq(name.clone()))
    })
    .await?;
    let address = failures(conn, now - window, |query| {
        query.filter(login_attempts::ip.eq(source.ip.clone()))
    })
    .await?;
    let mut wait = until(&mine, settings.max_login_attempts, window, now).max(until(
        &address,
        per_address,
        window,
        now,
    ));
    if source.device.is_none() {
        let day = TimeDelta::days(1);
        let strangers = failures(conn, now - day, |query| {
            query
                .filter(login_attempts::key_lookup.eq(lookup.to_vec()))
                .filter(login_attempts::known_device.eq(false))
        })
        .await?;
        wait = wait.max(until(
            &strangers,
            settings.max_unknown_attempts_per_day,
            day,
            now,
        ));
    }
    if let Some(seconds) = wait {
        return Ok(Gate::Locked(seconds));
    }
    let id = Uuid::now_v7();
    diesel::insert_into(login_attempts::table)
        .values((
            login_attempts::id.eq(id),
            login_attempts::key_lookup.eq(lookup.to_vec()),
            login_attempts::source.eq(source.name()),
            login_attempts::ip.eq(&source.ip),
            login_attempts::known_device.eq(source.device.is_some()),
            login_attempts::attempted_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(Gate::Open(id))
}

type Attempts<'a> = login_attempts::BoxedQuery<'a, diesel::pg::Pg>;

/// Times of the failures since then, newest first.
async fn failures(
    conn: &mut AsyncPgConnection,
    since: DateTime<Utc>,
    narrow: impl for<'a> FnOnce(Attempts<'a>) -> Attempts<'a>,
) -> QueryResult<Vec<DateTime<Utc>>> {
    let query = login_attempts::table
        .filter(login_attempts::succeeded.eq(false))
        .filter(login_attempts::attempted_at.gt(since))
        .into_boxed();
    narrow(query)
        .order_by(login_attempts::attempted_at.desc())
        .limit(1_000)
        .select(login_attempts::attempted_at)
        .load(conn)
        .await
}

/// Seconds until fewer than `most` failures lie in the window; `None` when that is now.
fn until(
    failures: &[DateTime<Utc>],
    most: u32,
    window: TimeDelta,
    now: DateTime<Utc>,
) -> Option<u64> {
    let index = usize::try_from(most).unwrap_or(usize::MAX).checked_sub(1)?;
    let frees = *failures.get(index)? + window;
    Some(
        u64::try_from((frees - now).num_seconds())
            .unwrap_or(0)
            .max(1),
    )
}

/// The try was right: the source's failures with this key are forgotten.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn succeed(
    conn: &mut AsyncPgConnection,
    attempt: Uuid,
    lookup: &[u8; 32],
    source: &Source,
) -> QueryResult<()> {
    diesel::update(login_attempts::table.find(attempt))
        .set(login_attempts::succeeded.eq(true))
        .execute(conn)
        .await?;
    sql_query("DELETE FROM login_attempts WHERE key_lookup = $1 AND source = $2 AND NOT succeeded")
        .bind::<Binary, _>(lookup.to_vec())
        .bind::<diesel::sql_types::Text, _>(source.name())
        .execute(conn)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_when_the_oldest_counted_failure_leaves_the_window() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let failures: Vec<_> = [10, 20, 30, 40, 250]
            .map(|seconds| now - TimeDelta::seconds(seconds))
            .into();
        let window = TimeDelta::seconds(300);
        assert_eq!(until(&failures, 5, window, now), Some(50));
        assert_eq!(until(&failures, 6, window, now), None);
        assert_eq!(until(&[], 5, window, now), None);
    }
}
