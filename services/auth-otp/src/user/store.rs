//! Rows of users and their standing.

use chrono::{DateTime, Utc};
use common_types::{Language, PhoneNumber};
use diesel::IntoSql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::{Standing, User};
use crate::call::call;
use crate::schema::{user_groups, users};

const STANDINGS_OF: &str = "SELECT membership_id, organization_id, organization_number, clinic_role, content_role \
    FROM standings_of";

diesel::define_sql_function! {
    /// PostgreSQL's lower().
    fn lower(text: diesel::sql_types::Nullable<Text>) -> diesel::sql_types::Nullable<Text>;
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(crate) struct UserRow {
    id: Uuid,
    number: i64,
    phone: Option<String>,
    username: Option<String>,
    password_hash: Option<String>,
    email: String,
    full_name: String,
    first_name: String,
    last_name: String,
    department: String,
    language: String,
    is_active: bool,
    is_superuser: bool,
    password_failures: i32,
    password_failed_at: Option<DateTime<Utc>>,
    version: i64,
    last_login_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    tokens_not_before: i64,
    managed_by: Option<Uuid>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            number: row.number,
            phone: row.phone.and_then(|phone| PhoneNumber::parse(&phone).ok()),
            username: row.username,
            password_hash: row.password_hash,
            email: row.email,
            full_name: row.full_name,
            first_name: row.first_name,
            last_name: row.last_name,
            department: row.department,
            language: row.language.parse().unwrap_or(Language::Fa),
            is_active: row.is_active,
            is_superuser: row.is_superuser,
            password_failures: row.password_failures,
            password_failed_at: row.password_failed_at,
            version: row.version,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            tokens_not_before: row.tokens_not_before,
            managed_by: row.managed_by,
        }
    }
}

/// A user to be made.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser {
    /// The id.
    pub id: Uuid,
    /// E.164.
    pub phone: Option<String>,
    /// The handle.
    pub username: Option<String>,
    /// argon2id.
    pub password_hash: Option<String>,
    /// Full name.
    pub full_name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// `fa`, `fr` or `en`.
    pub language: String,
    /// Platform-wide superuser.
    pub is_superuser: bool,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// Now.
    pub updated_at: DateTime<Utc>,
}

/// What a person may change about themselves.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = users)]
pub(crate) struct UserChanges {
    pub(crate) full_name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) language: Option<String>,
}

/// Inserts unless phone or username is taken; `None` then.
pub(crate) async fn insert_user(
    conn: &mut AsyncPgConnection,
    user: &NewUser,
) -> QueryResult<Option<User>> {
    let row = diesel::insert_into(users::table)
        .values(user)
        .on_conflict_do_nothing()
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

pub(crate) async fn find_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<User>> {
    let row = users::table
        .find(id)
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

pub(crate) async fn find_user_by_number(
    conn: &mut AsyncPgConnection,
    number: i64,
) -> QueryResult<Option<User>> {
    let row = users::table
        .filter(users::number.eq(number))
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

pub(crate) async fn find_user_by_phone(
    conn: &mut AsyncPgConnection,
    phone: &str,
) -> QueryResult<Option<User>> {
    let row = users::table
        .filter(users::phone.eq(phone))
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

/// By username, without case.
pub(crate) async fn find_user_by_username(
    conn: &mut AsyncPgConnection,
    username: &str,
) -> QueryResult<Option<User>> {
    let wanted = username.to_lowercase();
    let row = users::table
        .filter(lower(users::username).eq(wanted))
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

/// Locks the row until the end of the transaction.
pub(crate) async fn lock_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<User>> {
    let row = users::table
        .find(id)
        .select(UserRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(User::from))
}

pub(crate) async fn update_user(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &UserChanges,
    now: DateTime<Utc>,
) -> QueryResult<User> {
    let row = diesel::update(users::table.find(id))
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

/// Raises the version because a membership changed.
pub(crate) async fn touch_user(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<User> {
    update_user(conn, id, &UserChanges::default(), now).await
}

/// Access tokens issued before this second end.
pub(crate) async fn update_tokens_not_before(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    second: i64,
) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set(users::tokens_not_before.eq(second))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn add_password_failure(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((
            users::password_failures.eq(users::password_failures + 1),
            users::password_failed_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn update_password(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    hash: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::password_hash.eq(hash), users::updated_at.eq(now)))
        .execute(conn)
        .await
        .map(|_| ())
}

/// The e-mail of an account that is being made.
pub(crate) async fn update_email(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    email: &str,
) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set(users::email.eq(email))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn list_groups(conn: &mut AsyncPgConnection, user: Uuid) -> QueryResult<Vec<i32>> {
    user_groups::table
        .filter(user_groups::user_id.eq(user))
        .order(user_groups::group_number)
        .select(user_groups::group_number)
        .load(conn)
        .await
}

/// A standing as the database's function `standings_of` tells it, as a row or as JSON.
#[derive(Debug, Queryable, serde::Deserialize)]
pub(crate) struct StandingRow {
    membership_id: Uuid,
    organization_id: Uuid,
    organization_number: i64,
    clinic_role: Option<String>,
    content_role: Option<String>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            membership_id: row.membership_id,
            organization_id: row.organization_id,
            organization_number: row.organization_number,
            clinic_role: row.clinic_role.and_then(|role| role.parse().ok()),
            content_role: row.content_role.and_then(|role| role.parse().ok()),
        }
    }
}

/// The user's living memberships in active organisations: the first joined first, a personal organisation last.
pub(crate) async fn list_standings(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<Vec<Standing>> {
    type Row = (SqlUuid, SqlUuid, BigInt, Nullable<Text>, Nullable<Text>);
    let rows: Vec<StandingRow> = call::<Row, _>(STANDINGS_OF, (user.into_sql::<SqlUuid>(),))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Standing::from).collect())
}
