//! Who is behind a phone number or an id.

use common_types::{PhoneNumber, internal::auth::UserInfo};
use service_auth::InternalError;
use uuid::Uuid;

use super::store::{self, Person};
use crate::AppState;

/// The person of a phone number, or `None` when the platform knows nobody there.
///
/// # Errors
/// When neither the copy nor auth-otp can be asked.
pub(crate) async fn of_phone(
    state: &AppState,
    phone: &PhoneNumber,
) -> anyhow::Result<Option<Person>> {
    let known = store::find_by_phone(&mut *state.stack.db.get().await?, phone).await?;
    if known.is_some() {
        return Ok(known);
    }
    let path = format!(
        "/internal/users/by-phone/{}",
        phone.e164().replace('+', "%2B")
    );
    ask(state, &path).await
}

/// The person of an id, or `None` when auth-otp does not know it.
///
/// # Errors
/// As [`of_phone`].
pub(crate) async fn of_id(state: &AppState, id: Uuid) -> anyhow::Result<Option<Person>> {
    let known = store::find_person(&mut *state.stack.db.get().await?, id).await?;
    if known.is_some() {
        return Ok(known);
    }
    ask(state, &format!("/internal/users/{id}")).await
}

async fn ask(state: &AppState, path: &str) -> anyhow::Result<Option<Person>> {
    let found: UserInfo = match state.auth_otp.get_json(path).await {
        Ok(found) => found,
        Err(InternalError::Status { status: 404, .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let person = Person {
        id: found.id,
        number: found.number,
        phone: found.phone.map(|phone| phone.e164().to_owned()),
        full_name: found.full_name,
        language: found.language.as_str().to_owned(),
        is_active: true,
        // Any event knows more.
        version: 0,
        updated_at: state.stack.clock.now(),
    };
    store::insert_unknown(&mut *state.stack.db.get().await?, &person).await?;
    Ok(Some(person))
}
