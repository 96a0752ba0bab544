//! Rows of memberships.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::service::Roles;
use crate::organization::store::contains;
use crate::schema::{memberships, organizations, users};

/// A membership with the names around it.
#[derive(Queryable, Debug, Clone)]
pub struct MemberRow {
    /// The id.
    pub id: Uuid,
    /// The number.
    pub number: i64,
    /// The organisation.
    pub organization_id: Uuid,
    /// Its number.
    pub organization_number: i64,
    /// The user.
    pub user_id: Uuid,
    /// The user's number.
    pub user_number: i64,
    /// The user's phone.
    pub phone: Option<String>,
    /// The user's name.
    pub full_name: String,
    /// The user's e-mail.
    pub email: String,
    /// Clinic role.
    pub clinic_role: Option<String>,
    /// Content role.
    pub content_role: Option<String>,
    /// Version of what others copy.
    pub version: i64,
    /// When the user joined.
    pub joined_at: DateTime<Utc>,
    /// False while suspended.
    pub is_active: bool,
    /// A doctor's licence number; may be empty.
    pub license_number: String,
    /// When an admin approved the doctor.
    pub doctor_approved_at: Option<DateTime<Utc>>,
}

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct MemberQuery<'a> {
    /// Only organisations of this member; `None` for superusers.
    pub(crate) seen_by: Option<Uuid>,
    pub(crate) organization: Option<Uuid>,
    pub(crate) role: Option<&'a str>,
    pub(crate) clinic_role: Option<&'a str>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

macro_rules! member_columns {
    () => {
        (
            memberships::id,
            memberships::number,
            memberships::organization_id,
            organizations::number,
            memberships::user_id,
            users::number,
            users::phone,
            users::full_name,
            users::email,
            memberships::clinic_role,
            memberships::content_role,
            memberships::version,
            memberships::joined_at,
            memberships::is_active,
            memberships::license_number,
            memberships::doctor_approved_at,
        )
    };
}

macro_rules! joined {
    () => {
        memberships::table
            .inner_join(organizations::table.on(organizations::id.eq(memberships::organization_id)))
            .inner_join(users::table.on(users::id.eq(memberships::user_id)))
    };
}

/// Both roles of a user in an organisation; `None` for no member or a suspended one.
pub(crate) async fn find_roles(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    organization: Uuid,
) -> QueryResult<Option<Roles>> {
    let found: Option<(Option<String>, Option<String>)> = memberships::table
        .filter(memberships::user_id.eq(user))
        .filter(memberships::organization_id.eq(organization))
        .filter(memberships::is_active)
        .select((memberships::clinic_role, memberships::content_role))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(clinic, content)| Roles {
        clinic_role: clinic.and_then(|role| role.parse().ok()),
        content_role: content.and_then(|role| role.parse().ok()),
    }))
}

pub(crate) async fn find_member(
    conn: &mut AsyncPgConnection,
    number: i64,
) -> QueryResult<Option<MemberRow>> {
    joined!()
        .filter(memberships::number.eq(number))
        .select(member_columns!())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn get_member(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<MemberRow> {
    joined!()
        .filter(memberships::id.eq(id))
        .select(member_columns!())
        .first(conn)
        .await
}

/// Inserts; the unique key refuses a second membership.
pub(crate) async fn insert_member(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    user: Uuid,
    roles: Roles,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    diesel::insert_into(memberships::table)
        .values((
            memberships::id.eq(Uuid::now_v7()),
            memberships::organization_id.eq(organization),
            memberships::user_id.eq(user),
            memberships::clinic_role.eq(roles.clinic_role.map(|role| role.as_str())),
            memberships::content_role.eq(roles.content_role.map(|role| role.as_str())),
            memberships::joined_at.eq(now),
            memberships::updated_at.eq(now),
        ))
        .returning(memberships::id)
        .get_result(conn)
        .await
}

pub(crate) async fn update_roles(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    roles: Roles,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(memberships::table.find(id))
        .set((
            memberships::clinic_role.eq(roles.clinic_role.map(|role| role.as_str())),
            memberships::content_role.eq(roles.content_role.map(|role| role.as_str())),
            memberships::version.eq(memberships::version + 1),
            memberships::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn delete_member(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(memberships::table.find(id))
        .execute(conn)
        .await
        .map(|_| ())
}

/// The membership of a user in an organisation, suspended or not.
pub(crate) async fn find_member_of(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    organization: Uuid,
) -> QueryResult<Option<MemberRow>> {
    joined!()
        .filter(memberships::user_id.eq(user))
        .filter(memberships::organization_id.eq(organization))
        .select(member_columns!())
        .first(conn)
        .await
        .optional()
}

/// Suspends a membership or takes it up again.
pub(crate) async fn update_active(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    is_active: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(memberships::table.find(id))
        .set((
            memberships::is_active.eq(is_active),
            memberships::version.eq(memberships::version + 1),
            memberships::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Notes a doctor's licence number and who approved the doctor; `None` for no doctor any more.
pub(crate) async fn update_doctor(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    license_number: Option<&str>,
    approved: Option<(Uuid, DateTime<Utc>)>,
) -> QueryResult<()> {
    let target = memberships::table.find(id);
    if let Some(number) = license_number {
        diesel::update(target)
            .set(memberships::license_number.eq(number))
            .execute(conn)
            .await?;
    }
    diesel::update(target)
        .set((
            memberships::doctor_approved_by.eq(approved.map(|approved| approved.0)),
            memberships::doctor_approved_at.eq(approved.map(|approved| approved.1)),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Id, clinic role and content role.
pub(crate) type LockedMember = (Uuid, Option<String>, Option<String>);

/// Locks the organisation's memberships and returns the ids and roles of those who can act: neither suspended nor with
/// a closed account.
pub(crate) async fn lock_members(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
) -> QueryResult<Vec<LockedMember>> {
    let locked: Vec<(Uuid, Uuid, Option<String>, Option<String>)> = memberships::table
        .filter(memberships::organization_id.eq(organization))
        .filter(memberships::is_active)
        .order(memberships::id)
        .select((
            memberships::id,
            memberships::user_id,
            memberships::clinic_role,
            memberships::content_role,
        ))
        .for_update()
        .load(conn)
        .await?;
    let users: Vec<Uuid> = locked.iter().map(|row| row.1).collect();
    let closed: Vec<Uuid> = users::table
        .filter(users::id.eq_any(users))
        .filter(users::is_active.eq(false))
        .select(users::id)
        .load(conn)
        .await?;
    let acting = locked.into_iter().filter(|row| !closed.contains(&row.1));
    Ok(acting
        .map(|(id, _, clinic, content)| (id, clinic, content))
        .collect())
}

/// Whether two people belong to one organisation.
pub(crate) async fn share_an_organization(
    conn: &mut AsyncPgConnection,
    a: Uuid,
    b: Uuid,
) -> QueryResult<bool> {
    let theirs = diesel::alias!(memberships as theirs);
    let of_b = theirs
        .filter(theirs.field(memberships::user_id).eq(b))
        .select(theirs.field(memberships::organization_id));
    let shared = memberships::table
        .filter(memberships::user_id.eq(a))
        .filter(memberships::is_active)
        .filter(memberships::organization_id.eq_any(of_b));
    diesel::select(diesel::dsl::exists(shared))
        .get_result(conn)
        .await
}

/// One page and the size of the whole list.
pub(crate) async fn list_members(
    conn: &mut AsyncPgConnection,
    query: &MemberQuery<'_>,
) -> QueryResult<(i64, Vec<MemberRow>)> {
    let own = |user: Uuid| {
        let mine = diesel::alias!(memberships as mine);
        mine.filter(mine.field(memberships::user_id).eq(user))
            .filter(mine.field(memberships::is_active))
            .select(mine.field(memberships::organization_id))
    };
    macro_rules! filtered {
        () => {{
            let mut list = joined!().into_boxed();
            if let Some(user) = query.seen_by {
                list = list.filter(memberships::organization_id.eq_any(own(user)));
            }
            if let Some(organization) = query.organization {
                list = list.filter(memberships::organization_id.eq(organization));
            }
            if let Some(role) = query.clinic_role {
                list = list.filter(memberships::clinic_role.eq(role.to_owned()));
            }
            if let Some(role) = query.role {
                list = list.filter(memberships::content_role.eq(role.to_owned()));
            }
            if let Some(text) = query.search {
                let pattern = contains(text);
                list = list.filter(
                    users::full_name
                        .ilike(pattern.clone())
                        .or(users::phone.ilike(pattern.clone()))
                        .or(users::email.ilike(pattern)),
                );
            }
            list
        }};
    }
    let count = filtered!().count().get_result(conn).await?;
    let list = filtered!()
        .select(member_columns!())
        .limit(query.limit)
        .offset(query.offset);
    let list = if query.ordering == "-joined_at" {
        list.order((memberships::joined_at.desc(), memberships::number.desc()))
    } else {
        list.order((memberships::joined_at.asc(), memberships::number.asc()))
    };
    Ok((count, list.load(conn).await?))
}
