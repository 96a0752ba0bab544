//! Login notifications: what a clinic's admins see of staff logins by password (cimef.md 2.1).
//!
//! What always holds: the row is written in the transaction that opens the session, in the organisation the session
//! works in; superusers' logins and those of people without a clinic
//! role make none; rows go after ninety days.

pub mod http;
mod store;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

pub(crate) use store::sweep;

use crate::user::model::role_word;
use crate::user::{Standing, User};

/// Notes a staff login in the caller's transaction.
///
/// # Errors
/// Database failures.
pub(crate) async fn note_login(
    conn: &mut AsyncPgConnection,
    user: &User,
    standing: Option<&Standing>,
    ip: IpAddr,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    match standing {
        Some(standing) if !user.is_superuser && standing.clinic_role.is_some() => {
            let role = role_word(user, Some(standing));
            store::insert_notification(conn, standing.organization_id, user.id, role, ip, now).await
        }
        _ => Ok(()),
    }
}
