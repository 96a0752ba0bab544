//! Rows of `account_recoveries`, and who may be helped.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{account_recoveries, memberships, users};

/// A code to be stored.
#[derive(Insertable)]
#[diesel(table_name = account_recoveries)]
pub(crate) struct NewRecovery<'a> {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) made_by: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) code_hash: Vec<u8>,
    pub(crate) reason: &'a str,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Whom a recovery is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Person {
    /// By number.
    Number(i64),
    /// By id.
    Id(Uuid),
}

/// The active person, when they may be helped from that organisation: they belong there and nowhere else and are no
/// superuser. Without an organisation everybody may be.
pub(crate) async fn find_recoverable(
    conn: &mut AsyncPgConnection,
    person: Person,
    organization: Option<Uuid>,
) -> QueryResult<Option<Uuid>> {
    let mut query = users::table
        .filter(users::is_active)
        .select(users::id)
        .into_boxed();
    query = match person {
        Person::Number(number) => query.filter(users::number.eq(number)),
        Person::Id(id) => query.filter(users::id.eq(id)),
    };
    if let Some(organization) = organization {
        let here = memberships::table
            .filter(memberships::user_id.eq(users::id))
            .filter(memberships::organization_id.eq(organization));
        let elsewhere = memberships::table
            .filter(memberships::user_id.eq(users::id))
            .filter(memberships::organization_id.ne(organization));
        query = query
            .filter(users::is_superuser.eq(false))
            .filter(exists(here))
            .filter(not(exists(elsewhere)));
    }
    query.first(conn).await.optional()
}

/// Stores a code; the person's earlier ones no longer count.
pub(crate) async fn insert_recovery(
    conn: &mut AsyncPgConnection,
    recovery: &NewRecovery<'_>,
) -> QueryResult<()> {
    diesel::update(
        account_recoveries::table
            .filter(account_recoveries::user_id.eq(recovery.user_id))
            .filter(account_recoveries::used_at.is_null())
            .filter(account_recoveries::cancelled_at.is_null()),
    )
    .set(account_recoveries::cancelled_at.eq(recovery.created_at))
    .execute(conn)
    .await?;
    diesel::insert_into(account_recoveries::table)
        .values(recovery)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Uses a living code; its id, the person and who made it, for exactly one caller.
pub(crate) async fn use_recovery(
    conn: &mut AsyncPgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<(Uuid, Uuid, Uuid)>> {
    diesel::update(
        account_recoveries::table
            .filter(account_recoveries::code_hash.eq(hash))
            .filter(account_recoveries::used_at.is_null())
            .filter(account_recoveries::cancelled_at.is_null())
            .filter(account_recoveries::expires_at.gt(now)),
    )
    .set(account_recoveries::used_at.eq(now))
    .returning((
        account_recoveries::id,
        account_recoveries::user_id,
        account_recoveries::made_by,
    ))
    .get_result(conn)
    .await
    .optional()
}

/// Removes codes a month past their end.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let month_ago = now - TimeDelta::days(30);
    diesel::delete(account_recoveries::table.filter(account_recoveries::expires_at.lt(month_ago)))
        .execute(conn)
        .await
}
