//! Which devices a person is known to use. A login from another one is told to the owner by SMS, once per device.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store::NewSession;
use crate::alert::{self, Alert};
use crate::user::User;

/// Tells the owner of a session from a device that is new.
pub(super) async fn tell(
    conn: &mut AsyncPgConnection,
    user: &User,
    session: &NewSession,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let device = [session.browser.as_str(), session.device.as_str()]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" · ");
    alert::insert(conn, user, Alert::NewDevice { device }, now).await
}
