//! The rows of people.

use chrono::{DateTime, Utc};
use common_types::PhoneNumber;
use diesel::{prelude::*, query_dsl::methods::FilterDsl as UpsertFilter, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::people;

/// Whom a phone number belongs to.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = people)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) phone: Option<String>,
    pub(crate) full_name: String,
    pub(crate) language: String,
    pub(crate) is_active: bool,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Person")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Writes the copy unless a newer one is there.
pub(crate) async fn upsert_person(
    conn: &mut AsyncPgConnection,
    person: &Person,
) -> QueryResult<()> {
    let insert = diesel::insert_into(people::table)
        .values(person)
        .on_conflict(people::id)
        .do_update()
        .set((
            people::number.eq(excluded(people::number)),
            people::phone.eq(excluded(people::phone)),
            people::full_name.eq(excluded(people::full_name)),
            people::language.eq(excluded(people::language)),
            people::is_active.eq(excluded(people::is_active)),
            people::version.eq(excluded(people::version)),
            people::updated_at.eq(excluded(people::updated_at)),
        ));
    UpsertFilter::filter(insert, people::version.lt(excluded(people::version)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes a person that auth-otp named before any event did.
pub(crate) async fn insert_unknown(
    conn: &mut AsyncPgConnection,
    person: &Person,
) -> QueryResult<()> {
    diesel::insert_into(people::table)
        .values(person)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn find_person(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<Person>> {
    people::table
        .find(id)
        .select(Person::as_select())
        .first(conn)
        .await
        .optional()
}

/// The active person of a phone number; the newest copy when a number changed hands.
pub(crate) async fn find_by_phone(
    conn: &mut AsyncPgConnection,
    phone: &PhoneNumber,
) -> QueryResult<Option<Person>> {
    QueryDsl::filter(
        people::table,
        people::phone.eq(phone.e164()).and(people::is_active),
    )
    .order((people::version.desc(), people::updated_at.desc()))
    .select(Person::as_select())
    .first(conn)
    .await
    .optional()
}
