//! Keys of many requests whose work is done in one transaction.

use std::collections::HashSet;

use diesel::{
    ExpressionMethods, QueryableByName, dsl,
    result::Error as DieselError,
    sql_types::{Array, BigInt, Bool, Integer, Text as SqlText},
    upsert::excluded,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{KEPT_DAYS, SEED, Stored, idempotency_keys, lock_name};

/// A request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked<'a> {
    /// Who asks.
    pub subject: &'a str,
    /// Where.
    pub route: &'a str,
    /// The key.
    pub key: &'a str,
    /// SHA-256 of the body.
    pub body_hash: &'a [u8],
}

#[derive(QueryableByName)]
struct Lock {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = Bool)]
    taken: bool,
}

#[derive(QueryableByName)]
struct Kept {
    #[diesel(sql_type = BigInt)]
    place: i64,
}

/// [`begin`](super::begin) for many, by two statements: takes their locks until the end of the transaction and says of
/// each, in their order, whether its work may be done now. One that is still running elsewhere, has an answer, or is in
/// `asked` a second time may not; what it is told then is for `begin` to say, in a later transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn begin_all(
    conn: &mut AsyncPgConnection,
    asked: &[Asked<'_>],
) -> Result<Vec<bool>, DieselError> {
    // Two statements, because the second must see what was committed before the lock was free.
    let names: Vec<String> = asked
        .iter()
        .map(|one| lock_name((one.subject, one.route), one.key))
        .collect();
    let locks: Vec<Lock> = diesel::sql_query(
        "SELECT place, pg_try_advisory_xact_lock(hashtextextended(name, $2)) AS taken \
         FROM unnest($1) WITH ORDINALITY AS asked (name, place)",
    )
    .bind::<Array<SqlText>, _>(names)
    .bind::<BigInt, _>(SEED)
    .load(conn)
    .await?;
    let column = |part: fn(&Asked<'_>) -> String| asked.iter().map(part).collect::<Vec<_>>();
    let kept: Vec<Kept> = diesel::sql_query(
        "SELECT place FROM unnest($1, $2, $3) WITH ORDINALITY AS asked (subject, route, key, place) \
         JOIN idempotency_keys USING (subject, route, key) WHERE created_at + make_interval(days => $4) > now()",
    )
    .bind::<Array<SqlText>, _>(column(|one| one.subject.to_owned()))
    .bind::<Array<SqlText>, _>(column(|one| one.route.to_owned()))
    .bind::<Array<SqlText>, _>(column(|one| one.key.to_owned()))
    .bind::<Integer, _>(KEPT_DAYS)
    .load(conn)
    .await?;
    let taken: HashSet<i64> = locks
        .iter()
        .filter_map(|lock| lock.taken.then_some(lock.place))
        .collect();
    let kept: HashSet<i64> = kept.into_iter().map(|kept| kept.place).collect();
    // A session takes its own lock again, so that a second of the same key is told apart here.
    let mut seen = HashSet::new();
    Ok((1_i64..)
        .zip(asked)
        .map(|(place, one)| {
            let first = seen.insert((one.subject, one.route, one.key));
            first && taken.contains(&place) && !kept.contains(&place)
        })
        .collect())
}

/// [`finish`](super::finish) for many by one statement. No key may be among them twice.
///
/// # Errors
/// When the database does not answer.
pub async fn finish_all(
    conn: &mut AsyncPgConnection,
    kept: &[(Asked<'_>, &Stored)],
) -> Result<(), DieselError> {
    use idempotency_keys as keys;
    let rows = kept.iter().map(|(asked, stored)| {
        (
            keys::subject.eq(asked.subject),
            keys::route.eq(asked.route),
            keys::key.eq(asked.key),
            keys::body_hash.eq(asked.body_hash),
            keys::status.eq(i16::try_from(stored.status).unwrap_or(200)),
            keys::headers.eq(serde_json::json!(stored.headers)),
            keys::body.eq(&stored.body),
            keys::created_at.eq(dsl::now),
        )
    });
    diesel::insert_into(keys::table)
        .values(rows.collect::<Vec<_>>())
        // Only an expired row can be in the way, as in `finish`.
        .on_conflict((keys::subject, keys::route, keys::key))
        .do_update()
        .set((
            keys::body_hash.eq(excluded(keys::body_hash)),
            keys::status.eq(excluded(keys::status)),
            keys::headers.eq(excluded(keys::headers)),
            keys::body.eq(excluded(keys::body)),
            keys::created_at.eq(excluded(keys::created_at)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
