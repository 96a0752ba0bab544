//! The copy of auth-otp's users that lists of payments need: id, phone, name.

use async_trait::async_trait;
use common_types::{
    PhoneNumber,
    clock::SharedClock,
    events::{
        Envelope,
        auth::{UserRegistered, UserUpdated},
    },
};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::{EventHandler, HandlerError, inbox};
use uuid::Uuid;

use crate::schema::people;

/// The name under which versions of users are remembered.
const CONSUMER: &str = "payments.users";

/// Keeps the copy; older versions of a user are skipped.
pub(crate) struct CopyPerson(pub(crate) SharedClock);

#[async_trait]
impl EventHandler<UserRegistered> for CopyPerson {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: UserRegistered,
    ) -> Result<(), HandlerError> {
        self.handle(conn, envelope, UserUpdated::from(event)).await
    }
}

#[async_trait]
impl EventHandler<UserUpdated> for CopyPerson {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        user: UserUpdated,
    ) -> Result<(), HandlerError> {
        if !inbox::is_newer(conn, CONSUMER, user.user_id, user.aggregate_version).await? {
            return Ok(());
        }
        let copy = (
            people::phone.eq(user.phone.as_ref().map(PhoneNumber::e164)),
            people::full_name.eq(&user.full_name),
            people::updated_at.eq(self.0.now()),
        );
        diesel::insert_into(people::table)
            .values((people::user_id.eq(user.user_id), copy))
            .on_conflict(people::user_id)
            .do_update()
            .set(copy)
            .execute(conn)
            .await?;
        Ok(())
    }
}

/// The person's phone in E.164, when known.
pub(crate) async fn find_phone(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<Option<String>> {
    let phone: Option<Option<String>> = people::table
        .find(user)
        .select(people::phone)
        .first(conn)
        .await
        .optional()?;
    Ok(phone.flatten())
}

/// The person's name and phone in E.164, when known.
pub(crate) async fn find_person(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<Option<(String, Option<String>)>> {
    people::table
        .find(user)
        .select((people::full_name, people::phone))
        .first(conn)
        .await
        .optional()
}
