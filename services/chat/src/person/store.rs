//! The rows of people.

use chrono::{DateTime, Utc};
use common_types::{AccessClaims, events::auth::UserMembership};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::people;

/// What a chat shows and needs of a person.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = people)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) username: Option<String>,
    pub(crate) full_name: String,
    pub(crate) is_active: bool,
    pub(crate) organization_ids: Vec<Uuid>,
    pub(crate) clinic_organization_ids: Vec<Uuid>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Person")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Person {
    /// The handle shown to others: the username, else an opaque one; never the phone (decisions.md 3).
    pub(crate) fn handle(&self) -> String {
        match self.username.as_deref() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("user-{}", self.number),
        }
    }

    /// Whether the person works in a clinic.
    pub(crate) fn is_clinic_staff(&self) -> bool {
        !self.clinic_organization_ids.is_empty()
    }
}

/// The whole copy that an event carries.
#[derive(Insertable)]
#[diesel(table_name = people)]
pub(crate) struct NewPerson {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) phone: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) full_name: String,
    pub(crate) language: String,
    pub(crate) is_active: bool,
    pub(crate) organization_ids: Vec<Uuid>,
    pub(crate) clinic_organization_ids: Vec<Uuid>,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Organisations of the memberships: all, and those with a clinic role.
pub(crate) fn organizations(memberships: &[UserMembership]) -> (Vec<Uuid>, Vec<Uuid>) {
    let all = memberships
        .iter()
        .map(|membership| membership.organization_id)
        .collect();
    let clinic = memberships
        .iter()
        .filter(|membership| membership.clinic_role.is_some())
        .map(|membership| membership.organization_id)
        .collect();
    (all, clinic)
}

/// Writes the copy unless a newer one is there.
pub(crate) async fn upsert_person(
    conn: &mut AsyncPgConnection,
    person: NewPerson,
) -> QueryResult<()> {
    use diesel::query_dsl::methods::FilterDsl;
    let insert = diesel::insert_into(people::table)
        .values(&person)
        .on_conflict(people::id)
        .do_update()
        .set((
            people::number.eq(excluded(people::number)),
            people::phone.eq(excluded(people::phone)),
            people::username.eq(excluded(people::username)),
            people::full_name.eq(excluded(people::full_name)),
            people::language.eq(excluded(people::language)),
            people::is_active.eq(excluded(people::is_active)),
            people::organization_ids.eq(excluded(people::organization_ids)),
            people::clinic_organization_ids.eq(excluded(people::clinic_organization_ids)),
            people::version.eq(excluded(people::version)),
            people::updated_at.eq(excluded(people::updated_at)),
        ));
    FilterDsl::filter(insert, people::version.lt(excluded(people::version)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes sure that whoever calls has a row: known by the token until the event arrives.
pub(crate) async fn insert_caller(
    conn: &mut AsyncPgConnection,
    claims: &AccessClaims,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(people::table)
        .values(NewPerson {
            id: claims.sub,
            number: claims.user_number(),
            phone: None,
            username: None,
            full_name: claims.name.clone(),
            language: claims.lang.as_str().to_owned(),
            is_active: true,
            organization_ids: claims.org.into_iter().collect(),
            clinic_organization_ids: claims
                .org
                .filter(|_| claims.clinic_role.is_some())
                .into_iter()
                .collect(),
            version: 0,
            updated_at: now,
        })
        .on_conflict(people::id)
        .do_nothing()
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

pub(crate) async fn find_by_number(
    conn: &mut AsyncPgConnection,
    number: i64,
) -> QueryResult<Option<Person>> {
    people::table
        .filter(people::number.eq(number))
        .select(Person::as_select())
        .first(conn)
        .await
        .optional()
}

/// The active person of a phone number; the newest copy when a number changed hands.
pub(crate) async fn find_by_phone(
    conn: &mut AsyncPgConnection,
    phone: &str,
) -> QueryResult<Option<Person>> {
    people::table
        .filter(people::phone.eq(phone).and(people::is_active))
        .order(people::updated_at.desc())
        .select(Person::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn list_people(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<Person>> {
    people::table
        .filter(people::id.eq_any(ids))
        .select(Person::as_select())
        .load(conn)
        .await
}
