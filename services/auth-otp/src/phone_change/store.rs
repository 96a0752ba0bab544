//! Rows of `phone_changes`, and the phone itself.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{phone_changes, users};

/// A wish for another phone.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = phone_changes, check_for_backend(diesel::pg::Pg))]
pub(crate) struct PhoneChange {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
    /// The number that must prove itself too; `None` when it is lost or there is none.
    pub(crate) old_phone: Option<String>,
    pub(crate) new_phone: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn insert_change(
    conn: &mut AsyncPgConnection,
    change: &PhoneChange,
) -> QueryResult<()> {
    diesel::insert_into(phone_changes::table)
        .values(change)
        .execute(conn)
        .await
        .map(|_| ())
}

/// The newest wish of this session that still waits.
pub(crate) async fn find_waiting(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    session: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<PhoneChange>> {
    phone_changes::table
        .filter(phone_changes::session_id.eq(session))
        .filter(phone_changes::user_id.eq(user))
        .filter(phone_changes::completed_at.is_null())
        .filter(phone_changes::expires_at.gt(now))
        .order((phone_changes::created_at.desc(), phone_changes::id.desc()))
        .select(PhoneChange::as_select())
        .first(conn)
        .await
        .optional()
}

/// Completes a wish; true for exactly one caller.
pub(crate) async fn complete(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let completed = diesel::update(
        phone_changes::table
            .find(id)
            .filter(phone_changes::completed_at.is_null()),
    )
    .set(phone_changes::completed_at.eq(now))
    .execute(conn)
    .await?;
    Ok(completed == 1)
}

/// The user's new phone, unless somebody has it; false then.
pub(crate) async fn update_phone(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let taken: i64 = users::table
        .filter(users::phone.eq(phone))
        .count()
        .get_result(conn)
        .await?;
    if taken > 0 {
        return Ok(false);
    }
    diesel::update(users::table.find(user))
        .set((
            users::phone.eq(phone),
            users::phone_changed_at.eq(now),
            users::version.eq(users::version + 1),
            users::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|updated| updated == 1)
}

/// When the user's phone became another one.
pub(crate) async fn find_phone_changed_at(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<Option<DateTime<Utc>>> {
    users::table
        .find(user)
        .select(users::phone_changed_at)
        .first(conn)
        .await
        .optional()
        .map(Option::flatten)
}

/// Removes wishes an hour past their end.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let hour_ago = now - TimeDelta::hours(1);
    diesel::delete(phone_changes::table.filter(phone_changes::expires_at.lt(hour_ago)))
        .execute(conn)
        .await
}
