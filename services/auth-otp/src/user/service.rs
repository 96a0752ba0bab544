//! Making and changing users, with their events.

use chrono::{DateTime, Utc};
use common_types::events::auth::{UserMembership, UserRegistered, UserUpdated};
use common_types::{Language, PhoneNumber};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use uuid::Uuid;

use super::model::{Standing, User, split_name};
use super::store::{self, NewUser};
use crate::SERVICE;

/// The user of this phone, made when there is none; true when made now. Two logins at once make one user.
///
/// # Errors
/// Database failures.
pub async fn find_or_register(
    conn: &mut AsyncPgConnection,
    phone: &PhoneNumber,
    language: Language,
    now: DateTime<Utc>,
) -> QueryResult<(User, bool)> {
    if let Some(user) = store::find_user_by_phone(conn, phone.e164()).await? {
        return Ok((user, false));
    }
    let new = NewUser {
        id: Uuid::now_v7(),
        phone: Some(phone.e164().to_owned()),
        username: None,
        password_hash: None,
        full_name: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        language: language.as_str().to_owned(),
        is_superuser: false,
        created_at: now,
        updated_at: now,
    };
    match register(conn, &new, now).await? {
        Some(user) => Ok((user, true)),
        None => {
            let user = store::find_user_by_phone(conn, phone.e164()).await?;
            user.map(|user| (user, false))
                .ok_or(diesel::result::Error::NotFound)
        }
    }
}

/// Makes a user and tells the others; `None` when phone or username is taken.
///
/// # Errors
/// Database failures.
pub async fn register(
    conn: &mut AsyncPgConnection,
    new: &NewUser,
    now: DateTime<Utc>,
) -> QueryResult<Option<User>> {
    let Some(user) = store::insert_user(conn, new).await? else {
        return Ok(None);
    };
    tell_registered(conn, &user, now).await?;
    Ok(Some(user))
}

/// Tells the others of somebody who was made in this transaction and belongs nowhere yet.
///
/// # Errors
/// Database failures.
pub async fn tell_registered(
    conn: &mut AsyncPgConnection,
    user: &User,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let event = copy_of(user, &[]);
    outbox::emit(conn, SERVICE, &event, now).await.map(|_| ())
}

/// Tells the others how the user is now; the version must have been raised before.
///
/// # Errors
/// Database failures.
pub async fn tell(
    conn: &mut AsyncPgConnection,
    user: &User,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let standings = store::list_standings(conn, user.id).await?;
    let event = UserUpdated::from(copy_of(user, &standings));
    outbox::emit(conn, SERVICE, &event, now).await.map(|_| ())
}

/// Changes names so that full, first and last name agree.
pub(crate) fn agree_names(changes: &mut store::UserChanges, user: &User) {
    if let Some(full) = &changes.full_name
        && changes.first_name.is_none()
        && changes.last_name.is_none()
    {
        let (first, last) = split_name(full);
        changes.first_name = Some(first);
        changes.last_name = Some(last);
    } else if changes.full_name.is_none()
        && (changes.first_name.is_some() || changes.last_name.is_some())
    {
        let first = changes.first_name.as_ref().unwrap_or(&user.first_name);
        let last = changes.last_name.as_ref().unwrap_or(&user.last_name);
        changes.full_name = Some(format!("{first} {last}").trim().to_owned());
    }
}

fn copy_of(user: &User, standings: &[Standing]) -> UserRegistered {
    UserRegistered {
        user_id: user.id,
        number: user.number,
        aggregate_version: user.version,
        phone: user.phone.clone(),
        username: user.username.clone(),
        full_name: user.full_name.clone(),
        language: user.language,
        is_active: user.is_active,
        is_superuser: user.is_superuser,
        memberships: standings
            .iter()
            .map(|standing| UserMembership {
                organization_id: standing.organization_id,
                clinic_role: standing.clinic_role,
                content_role: standing.content_role,
            })
            .collect(),
        created_at: user.created_at,
    }
}
