//! Rows of organisations.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{memberships, organizations, sessions, workspaces};

/// An organisation.
#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = organizations, check_for_backend(diesel::pg::Pg))]
pub struct OrganizationRow {
    /// The id.
    pub id: Uuid,
    /// The number.
    pub number: i64,
    /// The name.
    pub name: String,
    /// The slug.
    pub slug: String,
    /// The description.
    pub description: String,
    /// False when closed.
    pub is_active: bool,
    /// Version of what others copy.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed.
    pub updated_at: DateTime<Utc>,
    /// Made for one person who had no other.
    pub is_personal: bool,
}

#[derive(Insertable)]
#[diesel(table_name = organizations)]
pub(crate) struct NewOrganization {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: String,
    pub(crate) is_active: bool,
    pub(crate) is_personal: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(AsChangeset, Clone, Default)]
#[diesel(table_name = organizations)]
pub(crate) struct OrganizationChanges {
    pub(crate) name: Option<String>,
    pub(crate) slug: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) is_active: Option<bool>,
}

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct OrganizationQuery<'a> {
    /// Only those of this member; `None` for superusers.
    pub(crate) member: Option<Uuid>,
    pub(crate) is_active: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

pub(crate) async fn insert_organization(
    conn: &mut AsyncPgConnection,
    row: &NewOrganization,
) -> QueryResult<OrganizationRow> {
    diesel::insert_into(organizations::table)
        .values(row)
        .returning(OrganizationRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn find_organization(
    conn: &mut AsyncPgConnection,
    number: i64,
) -> QueryResult<Option<OrganizationRow>> {
    organizations::table
        .filter(organizations::number.eq(number))
        .select(OrganizationRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_organization_by_id(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<OrganizationRow>> {
    organizations::table
        .find(id)
        .select(OrganizationRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_organization_by_slug(
    conn: &mut AsyncPgConnection,
    slug: &str,
) -> QueryResult<Option<OrganizationRow>> {
    organizations::table
        .filter(organizations::slug.eq(slug))
        .select(OrganizationRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn update_organization(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &OrganizationChanges,
    now: DateTime<Utc>,
) -> QueryResult<OrganizationRow> {
    diesel::update(organizations::table.find(id))
        .set((
            changes,
            organizations::version.eq(organizations::version + 1),
            organizations::updated_at.eq(now),
        ))
        .returning(OrganizationRow::as_returning())
        .get_result(conn)
        .await
}

/// One page and the size of the whole list.
pub(crate) async fn list_organizations(
    conn: &mut AsyncPgConnection,
    query: &OrganizationQuery<'_>,
) -> QueryResult<(i64, Vec<OrganizationRow>)> {
    let filtered = || {
        let mut list = organizations::table.into_boxed();
        if let Some(member) = query.member {
            let own = memberships::table
                .filter(memberships::user_id.eq(member))
                .filter(memberships::is_active)
                .select(memberships::organization_id);
            list = list.filter(organizations::id.eq_any(own));
        }
        if let Some(is_active) = query.is_active {
            list = list.filter(organizations::is_active.eq(is_active));
        }
        if let Some(text) = query.search {
            let pattern = contains(text);
            list = list.filter(
                organizations::name
                    .ilike(pattern.clone())
                    .or(organizations::slug.ilike(pattern.clone()))
                    .or(organizations::description.ilike(pattern)),
            );
        }
        list
    };
    let count = filtered().count().get_result(conn).await?;
    let list = filtered()
        .select(OrganizationRow::as_select())
        .limit(query.limit)
        .offset(query.offset);
    let list = match query.ordering {
        "name" => list.order((organizations::name.asc(), organizations::number.asc())),
        "-name" => list.order((organizations::name.desc(), organizations::number.desc())),
        "created_at" => list.order((organizations::created_at.asc(), organizations::number.asc())),
        _ => list.order((
            organizations::created_at.desc(),
            organizations::number.desc(),
        )),
    };
    Ok((count, list.load(conn).await?))
}

/// The open organisations of one person for Contexor's pages, which work in the first: with a content role before
/// without, personal ones last.
pub(crate) async fn list_own_organizations(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    limit: i64,
) -> QueryResult<Vec<OrganizationRow>> {
    organizations::table
        .inner_join(memberships::table.on(memberships::organization_id.eq(organizations::id)))
        .filter(memberships::user_id.eq(user))
        .filter(memberships::is_active)
        .filter(organizations::is_active)
        .order((
            memberships::content_role.is_null(),
            organizations::is_personal,
            memberships::joined_at,
            memberships::number,
        ))
        .limit(limit)
        .select(OrganizationRow::as_select())
        .load(conn)
        .await
}

/// The row, locked until the end of the transaction.
pub(crate) async fn lock_organization(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<OrganizationRow> {
    organizations::table
        .find(id)
        .select(OrganizationRow::as_select())
        .for_update()
        .first(conn)
        .await
}

/// Members of an organisation who have a living session somewhere.
pub(crate) async fn list_members_with_sessions(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let living = sessions::table
        .filter(sessions::user_id.eq(memberships::user_id))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now));
    memberships::table
        .filter(memberships::organization_id.eq(id))
        .filter(diesel::dsl::exists(living))
        .order(memberships::user_id)
        .select(memberships::user_id)
        .load(conn)
        .await
}

/// How many members and workspaces each of these has.
pub(crate) async fn list_counts(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<HashMap<Uuid, (i64, i64)>> {
    let members: Vec<(Uuid, i64)> = memberships::table
        .filter(memberships::organization_id.eq_any(ids))
        .filter(memberships::is_active)
        .group_by(memberships::organization_id)
        .select((memberships::organization_id, count_star()))
        .load(conn)
        .await?;
    let rooms: Vec<(Uuid, i64)> = workspaces::table
        .filter(workspaces::organization_id.eq_any(ids))
        .group_by(workspaces::organization_id)
        .select((workspaces::organization_id, count_star()))
        .load(conn)
        .await?;
    let mut counts: HashMap<Uuid, (i64, i64)> = HashMap::new();
    for (id, count) in members {
        counts.entry(id).or_default().0 = count;
    }
    for (id, count) in rooms {
        counts.entry(id).or_default().1 = count;
    }
    Ok(counts)
}

/// A LIKE pattern that finds the text anywhere; its own wildcards are taken literally.
pub(crate) fn contains(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}
