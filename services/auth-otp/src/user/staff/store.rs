//! Rows of users as the desk of a clinic sees them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::organization::store::contains;
use crate::schema::{memberships, users};
use crate::user::model::User;
use crate::user::store::UserRow;

/// Whom somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Only themselves.
    Oneself,
    /// The members of a clinic but superusers, and themselves.
    Clinic(Uuid),
    /// Everybody.
    Everybody,
}

/// A user with their membership in the clinic of the desk.
#[derive(Debug, Clone)]
pub struct StaffRow {
    /// The user.
    pub user: User,
    /// The membership.
    pub membership_id: Option<Uuid>,
    /// Clinic role.
    pub clinic_role: Option<String>,
    /// Content role.
    pub content_role: Option<String>,
    /// False while suspended; `None` for no member.
    pub membership_active: Option<bool>,
    /// A doctor's licence number; may be empty.
    pub license_number: String,
}

/// What the list shows.
#[derive(Debug)]
pub(crate) struct StaffQuery<'a> {
    pub(crate) sight: Sight,
    pub(crate) caller: Uuid,
    /// Whose memberships are shown.
    pub(crate) organization: Option<Uuid>,
    pub(crate) role: Option<&'a str>,
    pub(crate) is_active: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

/// What an admin may change about an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = users)]
pub(crate) struct AccountChanges {
    pub(crate) username: Option<Option<String>>,
    pub(crate) phone: Option<Option<String>>,
    pub(crate) email: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) is_active: Option<bool>,
    pub(crate) is_superuser: Option<bool>,
    pub(crate) managed_by: Option<Option<Uuid>>,
    pub(crate) removed_at: Option<Option<DateTime<Utc>>>,
    pub(crate) password_hash: Option<Option<String>>,
    pub(crate) password_failures: Option<i32>,
}

type Row = (
    UserRow,
    Option<Uuid>,
    Option<String>,
    Option<String>,
    Option<bool>,
    Option<String>,
);

fn staff(row: Row) -> StaffRow {
    let (user, membership_id, clinic_role, content_role, membership_active, license_number) = row;
    StaffRow {
        user: User::from(user),
        membership_id,
        clinic_role,
        content_role,
        membership_active,
        license_number: license_number.unwrap_or_default(),
    }
}

/// Users in sight with their membership of `$organization`; a nil organisation matches none.
macro_rules! in_sight {
    ($sight:expr, $caller:expr, $organization:expr) => {{
        let organization = $organization.unwrap_or(Uuid::nil());
        let list = users::table
            .left_join(
                memberships::table.on(memberships::user_id
                    .eq(users::id)
                    .and(memberships::organization_id.eq(organization))),
            )
            .filter(users::removed_at.is_null())
            .into_boxed();
        match $sight {
            Sight::Everybody => list,
            Sight::Oneself => list.filter(users::id.eq($caller)),
            Sight::Clinic(_) => list
                .filter(memberships::id.is_not_null())
                .filter(users::is_superuser.eq(false).or(users::id.eq($caller))),
        }
    }};
}

macro_rules! columns {
    () => {
        (
            UserRow::as_select(),
            memberships::id.nullable(),
            memberships::clinic_role.nullable(),
            memberships::content_role.nullable(),
            memberships::is_active.nullable(),
            memberships::license_number.nullable(),
        )
    };
}

/// One page and the size of the whole list.
pub(crate) async fn list_staff(
    conn: &mut AsyncPgConnection,
    query: &StaffQuery<'_>,
) -> QueryResult<(i64, Vec<StaffRow>)> {
    macro_rules! filtered {
        () => {{
            let mut list = in_sight!(query.sight, query.caller, query.organization);
            list = match query.role {
                Some("superuser") => list.filter(users::is_superuser),
                Some(role) => list
                    .filter(users::is_superuser.eq(false))
                    .filter(memberships::clinic_role.eq(role.to_owned())),
                None => list,
            };
            list = match query.is_active {
                Some(true) => list.filter(users::is_active).filter(
                    memberships::is_active
                        .is_null()
                        .or(memberships::is_active.eq(true)),
                ),
                Some(false) => list.filter(
                    users::is_active
                        .eq(false)
                        .or(memberships::is_active.eq(false).assume_not_null()),
                ),
                None => list,
            };
            for word in query.search.unwrap_or_default().split_whitespace() {
                let pattern = contains(word);
                list = list.filter(
                    users::full_name
                        .ilike(pattern.clone())
                        .or(users::email.ilike(pattern.clone()))
                        .or(users::username.ilike(pattern.clone()).assume_not_null())
                        .or(users::phone.ilike(pattern).assume_not_null()),
                );
            }
            list
        }};
    }
    let count = filtered!().count().get_result(conn).await?;
    let list = filtered!()
        .select(columns!())
        .limit(query.limit)
        .offset(query.offset);
    let list = match query.ordering {
        "-id" | "-date_joined" => list.order(users::number.desc()),
        "full_name" | "last_name" => list.order((users::full_name.asc(), users::number.asc())),
        "-full_name" | "-last_name" => list.order((users::full_name.desc(), users::number.desc())),
        "last_login" => list.order((users::last_login_at.asc(), users::number.asc())),
        "-last_login" => list.order((
            users::last_login_at.desc().nulls_last(),
            users::number.desc(),
        )),
        _ => list.order(users::number.asc()),
    };
    let rows: Vec<Row> = list.load(conn).await?;
    Ok((count, rows.into_iter().map(staff).collect()))
}

/// Somebody in sight.
pub(crate) async fn find_staff(
    conn: &mut AsyncPgConnection,
    sight: Sight,
    caller: Uuid,
    organization: Option<Uuid>,
    number: i64,
) -> QueryResult<Option<StaffRow>> {
    let row: Option<Row> = in_sight!(sight, caller, organization)
        .filter(users::number.eq(number))
        .select(columns!())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(staff))
}

/// Changes an account and raises its version.
pub(crate) async fn update_account(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &AccountChanges,
    now: DateTime<Utc>,
) -> QueryResult<User> {
    let row: UserRow = diesel::update(users::table.find(id))
        .set((
            changes,
            users::version.eq(users::version + 1),
            users::updated_at.eq(now),
        ))
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(User::from(row))
}

/// Gives an account that no clinic manages yet to one.
pub(crate) async fn set_manager(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    organization: Uuid,
) -> QueryResult<()> {
    diesel::update(users::table.find(user).filter(users::managed_by.is_null()))
        .set(users::managed_by.eq(organization))
        .execute(conn)
        .await
        .map(|_| ())
}
