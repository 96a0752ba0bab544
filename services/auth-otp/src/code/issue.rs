//! Making a code and sending it while the caller waits.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, MessageState, MessageTemplate, SendMessageRequest,
    SendMessageResponse,
};
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use service_auth::{InternalError, tokens};
use uuid::Uuid;

use super::error::CodeError;
use super::model::{Bound, hash_code, seconds_until};
use super::{budget, store, text};
use crate::settings::{CodeProfile, Settings};
use crate::state::AppState;

/// A wish for a code.
#[derive(Debug, Clone)]
pub struct SendCode<'a> {
    /// The purpose's profile.
    pub purpose: &'a str,
    /// Who gets it.
    pub phone: &'a PhoneNumber,
    /// What it is bound to beside the phone; empty for logins.
    pub binding: &'a str,
    /// The language of the SMS.
    pub language: Language,
    /// Values for the text, such as `doctor_name`.
    pub variables: BTreeMap<String, String>,
}

/// A code on its way.
#[derive(Debug, Clone, Copy)]
pub struct SentCode {
    /// Names the code when verifying.
    pub challenge_id: Uuid,
    /// When it dies.
    pub expires_at: DateTime<Utc>,
    /// Its lifetime in seconds.
    pub lifetime_seconds: i64,
    /// Seconds until another may be asked for.
    pub cooldown_seconds: i64,
}

/// Makes a code, sends it and waits for the provider. A timeout leaves the code valid and the cooldown charged; only
/// a definite refusal voids both (decisions.md 12).
///
/// # Errors
/// [`CodeError::TooSoon`], [`CodeError::Throttled`], [`CodeError::NotSent`], [`CodeError::UnknownPurpose`].
pub async fn send(state: &AppState, wish: &SendCode<'_>) -> Result<SentCode, CodeError> {
    let profile = state
        .settings
        .codes
        .profiles
        .get(wish.purpose)
        .ok_or(CodeError::UnknownPurpose)?;
    let now = state.now();
    let id = Uuid::now_v7();
    let phone = wish.phone.e164();
    let fixed = test_code(&state.settings, phone, profile, now);
    let code = fixed
        .clone()
        .unwrap_or_else(|| tokens::random_digits(profile.length));
    let bound = Bound {
        purpose: wish.purpose,
        phone,
        binding: wish.binding,
        id,
    };
    let hash = hash_code(state.settings.codes.key.expose().as_bytes(), &bound, &code);
    let row = store::NewCode {
        id,
        purpose: wish.purpose,
        phone,
        binding: wish.binding,
        code_hash: &hash,
        max_attempts: profile.attempts,
        created_at: now,
        expires_at: now + TimeDelta::seconds(profile.lifetime_seconds),
    };
    let cooldown = TimeDelta::seconds(profile.cooldown_seconds);
    let settings = &state.settings;
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), CodeError> {
                budget::check_ceiling(conn, settings, phone, now).await?;
                if let Err(sent_at) = store::take_cooldown(conn, &row, cooldown).await? {
                    return Err(CodeError::TooSoon(seconds_until(now, sent_at + cooldown)));
                }
                budget::take(conn, settings, phone, now).await?;
                Ok(store::insert_code(conn, &row).await?)
            },
        )
        .await?;
    let delivered = if fixed.is_some() {
        Ok(())
    } else {
        deliver(state, wish, profile, id, &code).await
    };
    let mut conn = state.stack.db.get().await?;
    if delivered.is_err() {
        store::spend_code(&mut conn, id, state.now()).await?;
        store::release_cooldown(&mut conn, id).await?;
        metrics::counter!("auth_codes_total", "outcome" => "refused").increment(1);
        return Err(CodeError::NotSent);
    }
    store::spend_older(
        &mut conn,
        id,
        wish.purpose,
        phone,
        wish.binding,
        state.now(),
    )
    .await?;
    metrics::counter!("auth_codes_total", "outcome" => "sent").increment(1);
    Ok(SentCode {
        challenge_id: id,
        expires_at: row.expires_at,
        lifetime_seconds: profile.lifetime_seconds,
        cooldown_seconds: profile.cooldown_seconds,
    })
}

/// `Err` only when it is certain that nothing was or will be sent.
async fn deliver(
    state: &AppState,
    wish: &SendCode<'_>,
    profile: &CodeProfile,
    id: Uuid,
    code: &str,
) -> Result<(), ()> {
    let template = (!profile.template.is_empty()).then(|| MessageTemplate {
        key: profile.template.clone(),
        tokens: BTreeMap::from([("token".to_owned(), code.to_owned())]),
    });
    let message = SendMessageRequest {
        idempotency_key: format!("code:{id}"),
        channel: Channel::Sms,
        to: wish.phone.e164().to_owned(),
        language: wish.language,
        subject: None,
        text: text::compose(
            wish.purpose,
            wish.language,
            code,
            profile.lifetime_seconds,
            &wish.variables,
        ),
        html: None,
        purpose: MessagePurpose::Otp,
        template,
        mode: DeliveryMode::Synchronous,
        organization_id: None,
        reference: Some(id.to_string()),
    };
    let answer: Result<SendMessageResponse, InternalError> = state
        .messages
        .post_json("/internal/messages/", &message)
        .await;
    match answer {
        Ok(answer) if answer.state == MessageState::Refused => Err(()),
        Ok(_) => Ok(()),
        Err(error) if error.is_unknown() => {
            tracing::warn!(%error, challenge = %id, "whether the code was sent is unknown; it stays valid");
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, challenge = %id, "the code was not sent");
            Err(())
        }
    }
}

/// The fixed code of a test number, cut or repeated to the profile's length; never in production.
fn test_code(
    settings: &Settings,
    phone: &str,
    profile: &CodeProfile,
    now: DateTime<Utc>,
) -> Option<String> {
    let codes = &settings.codes;
    let living = !settings.environment.is_production()
        && codes.test_numbers_until.is_some_and(|until| now < until);
    if !living {
        return None;
    }
    let listed = codes.test_numbers.iter().find(|(number, code)| {
        !code.is_empty() && PhoneNumber::parse(number).is_ok_and(|number| number.e164() == phone)
    });
    listed.map(|(_, code)| code.chars().cycle().take(profile.length).collect())
}
