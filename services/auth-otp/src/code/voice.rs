//! Speaking a code that the SMS did not bring: the same code, once, after a wait.

use chrono::{SubsecRound, TimeDelta};
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, SendMessageRequest,
};
use diesel_async::AsyncPgConnection;

use super::budget::{self, Carriage};
use super::error::CodeError;
use super::issue::{SendCode, deliver, template, test_code};
use super::model::{Bound, derive_code, hash_code, seconds_until};
use super::{store, text};
use crate::shield::Asker;
use crate::state::AppState;

/// Calls the phone and speaks the newest living code of the purpose. It costs one send of every budget; a call that no
/// provider takes costs nothing and may be asked for again.
///
/// # Errors
/// [`CodeError::NoCode`] when none lives, it was spoken already, or the purpose is not for calls;
/// [`CodeError::TooSoon`] before the wait is over; the refusals of a send.
pub async fn speak(state: &AppState, wish: &SendCode<'_>, asker: &Asker) -> Result<(), CodeError> {
    let settings = &state.settings;
    let profile = settings
        .codes
        .profiles
        .get(wish.purpose)
        .ok_or(CodeError::UnknownPurpose)?;
    if !profile.voice {
        return Err(CodeError::NoCode);
    }
    let now = state.now().trunc_subsecs(6);
    budget::check_open(state, wish, asker, now).await?;
    let phone = wish.phone.e164();
    let mut conn = state.stack.db.get().await?;
    let found = store::find_latest(&mut conn, wish.purpose, phone, wish.binding).await?;
    drop(conn);
    let found = found
        .filter(|row| now < row.expires_at && row.called_at.is_none())
        .ok_or(CodeError::NoCode)?;
    let ready_at = found.created_at + TimeDelta::seconds(settings.codes.voice_after_seconds);
    if now < ready_at {
        return Err(CodeError::TooSoon(seconds_until(now, ready_at)));
    }
    let bound = Bound {
        purpose: wish.purpose,
        phone,
        binding: wish.binding,
        id: found.id,
    };
    let key = settings.codes.key.expose().as_bytes();
    let fixed = test_code(settings, phone, profile, now);
    let code = fixed
        .clone()
        .unwrap_or_else(|| derive_code(key, &bound, profile.length));
    // The profile's length or the key may have changed since; a wrong code is worse than none.
    if !service_auth::tokens::ct_eq(&hash_code(key, &bound, &code), &found.code_hash) {
        return Err(CodeError::NoCode);
    }
    let demand = budget::demand(settings, wish, profile, asker, Carriage::Call);
    demand.take_shared(state, now).await?;
    let charged = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), CodeError> {
                if !store::mark_called(conn, found.id, now).await? {
                    return Err(CodeError::NoCode);
                }
                match store::charge_send(conn, phone, now, &demand).await? {
                    None => Ok(()),
                    Some(again_at) => Err(CodeError::Throttled(seconds_until(now, again_at))),
                }
            },
        )
        .await;
    if let Err(error) = charged {
        demand.give_back_shared(state, now).await;
        return Err(error);
    }
    if fixed.is_some() {
        return Ok(());
    }
    let message = SendMessageRequest {
        // A refused call may be asked for again; a taken one is marked on the code's row.
        idempotency_key: format!("call:{}:{}", found.id, now.timestamp_micros()),
        channel: Channel::Voice,
        to: phone.to_owned(),
        language: wish.language,
        subject: None,
        text: text::compose(
            wish.purpose,
            wish.language,
            &code,
            profile.lifetime_seconds,
            &wish.variables,
        ),
        html: None,
        purpose: MessagePurpose::Otp,
        template: template(profile, &code),
        mode: DeliveryMode::Synchronous,
        organization_id: None,
        reference: Some(found.id.to_string()),
    };
    match deliver(state, &message, found.id).await {
        Ok(cost) => {
            demand.settle(state, cost, now).await;
            metrics::counter!("auth_codes_total", "outcome" => "spoken").increment(1);
            Ok(())
        }
        Err(()) => {
            let mut conn = state.stack.db.get().await?;
            store::unmark_called(&mut conn, found.id).await?;
            store::refund_send(&mut conn, phone, now, &demand).await?;
            demand.give_back_shared(state, now).await;
            Err(CodeError::NotSent)
        }
    }
}
