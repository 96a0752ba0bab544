//! Making a code and sending it while the caller waits.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use common_types::events::auth::CodeIssued;
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, MessageState, MessageTemplate, SendMessageRequest,
    SendMessageResponse,
};
use common_types::{Language, PhoneNumber};
use service_auth::InternalError;
use uuid::Uuid;

use super::budget::{self, Carriage, Demand};
use super::error::CodeError;
use super::model::{Bound, REPROOF, derive_code, hash_code, seconds_until};
use super::{store, text};
use crate::settings::{CodeProfile, Settings};
use crate::shield::Asker;
use crate::state::AppState;

/// How often a statement that lost against a parallel one is asked again.
const RETRIES: u32 = 10;

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

/// As [`send_for`], for nobody in particular.
///
/// # Errors
/// As [`send_for`].
pub async fn send(state: &AppState, wish: &SendCode<'_>) -> Result<SentCode, CodeError> {
    send_for(state, wish, &Asker::default()).await
}

/// Makes a code, sends it and waits for the provider. A timeout leaves the code valid and everything charged; only a
/// definite refusal voids the code and charges nothing (decisions.md 12).
///
/// # Errors
/// [`CodeError`]; a refusal before sending takes nothing from any budget.
pub async fn send_for(
    state: &AppState,
    wish: &SendCode<'_>,
    asker: &Asker,
) -> Result<SentCode, CodeError> {
    let settings = &state.settings;
    let profile = settings
        .codes
        .profiles
        .get(wish.purpose)
        .ok_or(CodeError::UnknownPurpose)?;
    // As PostgreSQL keeps it.
    let now = state.now().trunc_subsecs(6);
    budget::check_open(state, wish, asker, now).await?;
    let id = Uuid::now_v7();
    let bound = Bound {
        purpose: wish.purpose,
        phone: wish.phone.e164(),
        binding: wish.binding,
        id,
    };
    let key = settings.codes.key.expose().as_bytes();
    let fixed = test_code(settings, bound.phone, profile, now);
    let code = fixed
        .clone()
        .unwrap_or_else(|| derive_code(key, &bound, profile.length));
    let demand = budget::demand(settings, wish, profile, asker, Carriage::Sms);
    let expires_at = now + TimeDelta::seconds(profile.lifetime_seconds);
    let event = CodeIssued {
        code_id: id,
        aggregate_version: 1,
        organization_id: asker.organization,
        purpose: wish.purpose.to_owned(),
        issued_at: now,
        expires_at,
    };
    let new = store::NewCode {
        bound,
        code_hash: &hash_code(key, &bound, &code),
        max_attempts: profile.attempts,
        created_at: now,
        expires_at,
        cooldown: TimeDelta::seconds(profile.cooldown_seconds),
        // A number that must be proven anew gets exactly this one kind of code.
        ceiling: if wish.purpose == REPROOF {
            i32::MAX
        } else {
            settings.budgets.failure_ceiling
        },
        event: &event,
    };
    demand.take_shared(state, now).await?;
    let replaced = match issue(state, &new, &demand).await {
        Ok(replaced) => replaced,
        Err(error) => {
            demand.give_back_shared(state, now).await;
            return Err(error);
        }
    };
    state.stack.outbox.wake();
    let delivered = if fixed.is_some() {
        Ok(Some(0))
    } else {
        let message = message(state, wish, profile, id, &code);
        deliver(state, &message, id).await
    };
    match delivered {
        Ok(cost) => demand.settle(state, cost, now).await,
        Err(()) => {
            let mut conn = state.stack.db.get().await?;
            store::take_back(&mut conn, &new, &demand, &replaced).await?;
            demand.give_back_shared(state, now).await;
            metrics::counter!("auth_codes_total", "outcome" => "refused").increment(1);
            return Err(CodeError::NotSent);
        }
    }
    metrics::counter!("auth_codes_total", "outcome" => "sent").increment(1);
    Ok(SentCode {
        challenge_id: id,
        expires_at,
        lifetime_seconds: profile.lifetime_seconds,
        cooldown_seconds: profile.cooldown_seconds,
    })
}

/// Stores the code; answers the codes it replaced.
async fn issue(
    state: &AppState,
    new: &store::NewCode<'_>,
    demand: &Demand,
) -> Result<Vec<Uuid>, CodeError> {
    let mut conn = state.stack.db.get().await?;
    let mut tries = 0;
    let issued = loop {
        match store::issue_code(&mut conn, new, demand).await {
            Err(error) if tries < RETRIES && store::lost_a_race(&error) => tries += 1,
            outcome => break outcome?,
        }
    };
    let refused = |reason: &'static str| {
        metrics::counter!("auth_codes_refused_total", "reason" => reason).increment(1);
    };
    let moment = issued.moment.unwrap_or(new.created_at);
    match issued.outcome.as_str() {
        "issued" => Ok(issued.replaced.unwrap_or_default()),
        "too_soon" => {
            let left = seconds_until(new.created_at, moment + new.cooldown);
            Err(CodeError::TooSoon(left))
        }
        "throttled" => {
            refused("budget");
            Err(CodeError::Throttled(seconds_until(new.created_at, moment)))
        }
        "needs_proof" => {
            refused("needs_proof");
            Err(CodeError::NeedsProof)
        }
        other => Err(anyhow::anyhow!("issue_code answered {other:?}").into()),
    }
}

/// The SMS with the code.
fn message(
    state: &AppState,
    wish: &SendCode<'_>,
    profile: &CodeProfile,
    id: Uuid,
    code: &str,
) -> SendMessageRequest {
    let mut text = text::compose(
        wish.purpose,
        wish.language,
        code,
        profile.lifetime_seconds,
        &wish.variables,
    );
    text::bind_to_domain(&mut text, &state.settings.codes.web_otp_domain, code);
    SendMessageRequest {
        idempotency_key: format!("code:{id}"),
        channel: Channel::Sms,
        to: wish.phone.e164().to_owned(),
        language: wish.language,
        subject: None,
        text,
        html: None,
        purpose: MessagePurpose::Otp,
        template: template(profile, code),
        mode: DeliveryMode::Synchronous,
        organization_id: None,
        reference: Some(id.to_string()),
    }
}

/// The provider's template of a purpose, with the code in it.
pub(super) fn template(profile: &CodeProfile, code: &str) -> Option<MessageTemplate> {
    (!profile.template.is_empty()).then(|| MessageTemplate {
        key: profile.template.clone(),
        tokens: BTreeMap::from([("token".to_owned(), code.to_owned())]),
    })
}

/// What it cost, as far as that is known; `Err` only when it is certain that nothing was or will be sent.
pub(super) async fn deliver(
    state: &AppState,
    message: &SendMessageRequest,
    id: Uuid,
) -> Result<Option<i64>, ()> {
    let answer: Result<SendMessageResponse, InternalError> = state
        .messages
        .post_json("/internal/messages/", message)
        .await;
    match answer {
        Ok(answer) if answer.state == MessageState::Refused => Err(()),
        Ok(answer) => Ok(answer.cost),
        Err(error) if error.is_unknown() => {
            tracing::warn!(%error, challenge = %id, "whether the code was sent is unknown; it stays valid");
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(%error, challenge = %id, "the code was not sent");
            Err(())
        }
    }
}

/// The fixed code of a test number, cut or repeated to the profile's length; never in production.
pub(super) fn test_code(
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
