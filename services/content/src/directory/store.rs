//! The rows of the copies.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, query_dsl::methods::FilterDsl, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    actor::Actor,
    schema::{members, organizations, people, workspaces},
};

/// What is shown of a person.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = people)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) full_name: String,
}

/// What is shown of a workspace.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub(crate) struct Workspace {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) name: String,
}

#[derive(Insertable)]
#[diesel(table_name = people)]
pub(crate) struct PersonCopy<'a> {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) full_name: &'a str,
    pub(crate) is_active: bool,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = members)]
pub(crate) struct MemberCopy<'a> {
    pub(crate) organization_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) content_role: Option<&'a str>,
    pub(crate) is_active: bool,
    pub(crate) changed_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = organizations)]
pub(crate) struct OrganizationCopy<'a> {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) name: &'a str,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = workspaces)]
pub(crate) struct WorkspaceCopy<'a> {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) slug: &'a str,
    pub(crate) is_active: bool,
    pub(crate) is_deleted: bool,
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Writes the copy unless a newer one is there; answers whether it did.
pub(crate) async fn upsert_person(
    conn: &mut AsyncPgConnection,
    copy: PersonCopy<'_>,
) -> QueryResult<bool> {
    let insert = diesel::insert_into(people::table)
        .values(&copy)
        .on_conflict(people::id)
        .do_update()
        .set((
            people::number.eq(excluded(people::number)),
            people::full_name.eq(excluded(people::full_name)),
            people::is_active.eq(excluded(people::is_active)),
            people::version.eq(excluded(people::version)),
            people::updated_at.eq(excluded(people::updated_at)),
        ));
    let written = FilterDsl::filter(insert, people::version.lt(excluded(people::version)))
        .execute(conn)
        .await?;
    Ok(written == 1)
}

/// Makes sure that the actor has a row; known by the token until the event arrives.
pub(crate) async fn insert_actor(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(people::table)
        .values(PersonCopy {
            id: actor.user_id,
            number: actor.user_number,
            full_name: &actor.name,
            is_active: true,
            version: 0,
            updated_at: now,
        })
        .on_conflict(people::id)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes the membership unless a later change is there.
pub(crate) async fn upsert_member(
    conn: &mut AsyncPgConnection,
    copy: MemberCopy<'_>,
) -> QueryResult<()> {
    let insert = diesel::insert_into(members::table)
        .values(&copy)
        .on_conflict((members::organization_id, members::user_id))
        .do_update()
        .set((
            members::content_role.eq(excluded(members::content_role)),
            members::is_active.eq(excluded(members::is_active)),
            members::changed_at.eq(excluded(members::changed_at)),
        ));
    FilterDsl::filter(
        insert,
        members::changed_at.le(excluded(members::changed_at)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the memberships of a user that are not among `kept`.
pub(crate) async fn end_other_memberships(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    kept: &[Uuid],
    at: DateTime<Utc>,
) -> QueryResult<usize> {
    let others = members::user_id
        .eq(user_id)
        .and(members::organization_id.ne_all(kept))
        .and(members::changed_at.lt(at));
    diesel::update(FilterDsl::filter(members::table, others))
        .set((members::is_active.eq(false), members::changed_at.eq(at)))
        .execute(conn)
        .await
}

pub(crate) async fn upsert_organization(
    conn: &mut AsyncPgConnection,
    copy: OrganizationCopy<'_>,
) -> QueryResult<()> {
    let insert = diesel::insert_into(organizations::table)
        .values(&copy)
        .on_conflict(organizations::id)
        .do_update()
        .set((
            organizations::number.eq(excluded(organizations::number)),
            organizations::name.eq(excluded(organizations::name)),
            organizations::version.eq(excluded(organizations::version)),
            organizations::updated_at.eq(excluded(organizations::updated_at)),
        ));
    FilterDsl::filter(
        insert,
        organizations::version.lt(excluded(organizations::version)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn upsert_workspace(
    conn: &mut AsyncPgConnection,
    copy: WorkspaceCopy<'_>,
) -> QueryResult<()> {
    let insert = diesel::insert_into(workspaces::table)
        .values(&copy)
        .on_conflict(workspaces::id)
        .do_update()
        .set((
            workspaces::number.eq(excluded(workspaces::number)),
            workspaces::organization_id.eq(excluded(workspaces::organization_id)),
            workspaces::name.eq(excluded(workspaces::name)),
            workspaces::slug.eq(excluded(workspaces::slug)),
            workspaces::is_active.eq(excluded(workspaces::is_active)),
            workspaces::is_deleted.eq(excluded(workspaces::is_deleted)),
            workspaces::version.eq(excluded(workspaces::version)),
            workspaces::updated_at.eq(excluded(workspaces::updated_at)),
        ));
    FilterDsl::filter(
        insert,
        workspaces::version.lt(excluded(workspaces::version)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The organisation's workspace of that number, when it is not deleted.
pub(crate) async fn find_workspace(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<Workspace>> {
    let wanted = workspaces::organization_id
        .eq(organization_id)
        .and(workspaces::number.eq(number))
        .and(workspaces::is_deleted.eq(false));
    FilterDsl::filter(workspaces::table, wanted)
        .order(workspaces::version.desc())
        .select(Workspace::as_select())
        .first(conn)
        .await
        .optional()
}

/// The first workspace of an organisation.
pub(crate) async fn find_first_workspace(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
) -> QueryResult<Option<Workspace>> {
    let wanted = workspaces::organization_id
        .eq(organization_id)
        .and(workspaces::is_deleted.eq(false));
    FilterDsl::filter(workspaces::table, wanted)
        .order(workspaces::number)
        .select(Workspace::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn list_workspaces(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, Workspace>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<Workspace> = FilterDsl::filter(workspaces::table, workspaces::id.eq_any(ids))
        .select(Workspace::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

pub(crate) async fn list_people(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, Person>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<Person> = FilterDsl::filter(people::table, people::id.eq_any(ids))
        .select(Person::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// A member of the organisation by number.
pub(crate) async fn find_member(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<Person>> {
    let joined = people::table.inner_join(members::table.on(members::user_id.eq(people::id)));
    let wanted = members::organization_id
        .eq(organization_id)
        .and(people::number.eq(number))
        .and(members::is_active);
    FilterDsl::filter(joined, wanted)
        .select(Person::as_select())
        .first(conn)
        .await
        .optional()
}

/// Number of a copied organisation.
pub(crate) async fn find_organization_number(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<i64>> {
    FilterDsl::filter(organizations::table, organizations::id.eq(id))
        .select(organizations::number)
        .first(conn)
        .await
        .optional()
}

/// How many people of the organisation may approve.
pub(crate) async fn count_approvers(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
) -> QueryResult<i64> {
    let joined = members::table.inner_join(people::table.on(people::id.eq(members::user_id)));
    let wanted = members::organization_id
        .eq(organization_id)
        .and(members::is_active)
        .and(people::is_active)
        .and(members::content_role.eq_any(["admin", "editor"]));
    FilterDsl::filter(joined, wanted)
        .count()
        .get_result(conn)
        .await
}
