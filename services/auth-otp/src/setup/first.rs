//! The first start: a signing key and, when the settings name one, a superuser.

use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::state::AppState;
use crate::user::{service as users, store};

/// Makes what is missing; later starts find everything there. An existing user of that phone is never promoted by
/// settings, and its password never replaced.
///
/// # Errors
/// When the database does not answer.
pub async fn first_start(state: &AppState) -> anyhow::Result<()> {
    state.keys.get().await?;
    let admin = &state.settings.admin;
    if admin.phone.is_empty() {
        return Ok(());
    }
    let phone = PhoneNumber::parse(&admin.phone)?;
    let mut conn = state.stack.db.get().await?;
    if store::find_user_by_phone(&mut conn, phone.e164())
        .await?
        .is_some()
    {
        return Ok(());
    }
    drop(conn);
    let password_hash = match &admin.password {
        Some(password) => Some(state.hasher.hash(password.expose()).await?),
        None => None,
    };
    let now = state.now();
    let new = store::NewUser {
        id: Uuid::now_v7(),
        phone: Some(phone.e164().to_owned()),
        username: None,
        password_hash,
        full_name: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        language: Language::Fa.as_str().to_owned(),
        is_superuser: true,
        created_at: now,
        updated_at: now,
    };
    let made = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> anyhow::Result<bool> {
                Ok(users::register(conn, &new, now).await?.is_some())
            },
        )
        .await?;
    if made {
        state.stack.outbox.wake();
        tracing::info!(phone = %phone, "the first superuser was made");
    }
    Ok(())
}
