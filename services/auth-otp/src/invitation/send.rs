//! Sending the text message, and when none is sent.

use chrono::{DateTime, Utc};
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, MessageState, SendMessageRequest, SendMessageResponse,
};
use common_types::{ClinicRole, ContentRole, Language, PhoneNumber};
use service_auth::InternalError;
use service_http::{ApiError, Text};
use uuid::Uuid;

use super::store::{self, InvitationRow};
use super::text;
use crate::code::model::seconds_until;
use crate::code::{CodeError, budget};
use crate::shield::Charge;
use crate::state::AppState;

/// The purpose that `purpose:invitation` stops.
const PURPOSE: &str = "invitation";

/// Text messages go where codes go, and stop with them: by the setting, and by the switches of everything, of invitations
/// and of the organisation.
///
/// # Errors
/// 400, 503; database failures.
pub(super) async fn may_send(
    state: &AppState,
    phone: &PhoneNumber,
    organization: Uuid,
) -> Result<(), ApiError> {
    let shield = &state.settings.shield;
    let now = state.now();
    let snapshot = state.shield.snapshots.get(state).await?;
    let switched = snapshot.stop(PURPOSE, Some(organization), now);
    if !shield.sending || switched.is_some() {
        let seconds = switched
            .flatten()
            .map_or(budget::STOPPED_SECONDS, |end| seconds_until(now, end));
        return Err(ApiError::unavailable("auth.codes_stopped", "")
            .i18n(
                "در حال حاضر پیامکی فرستاده نمی‌شود.",
                "Aucun SMS n'est envoyé pour le moment.",
                "No text messages are sent at the moment.",
            )
            .retry_after(u64::try_from(seconds).unwrap_or(1)));
    }
    let allowed = shield
        .allowed_prefixes
        .iter()
        .any(|prefix| phone.e164().starts_with(prefix.as_str()));
    if allowed {
        Ok(())
    } else {
        Err(ApiError::invalid().field(
            "phone_number",
            Text::i18n(
                "به این شماره پیامک فرستاده نمی‌شود.",
                "Aucun SMS ne peut être envoyé à ce numéro.",
                "Text messages cannot be sent to this number.",
            ),
        ))
    }
}

/// What a text message has taken from the ceilings of money.
#[derive(Debug)]
pub(super) struct Fare {
    charges: Vec<Charge>,
    taken_at: DateTime<Utc>,
}

impl Fare {
    /// Takes the price of a text message of this organisation.
    ///
    /// # Errors
    /// 429 until a spent ceiling's window ends; database failures.
    pub(super) async fn take(state: &AppState, organization: Uuid) -> Result<Self, ApiError> {
        let shield = &state.settings.shield;
        let taken_at = state.now();
        let charges = budget::money(shield, shield.rial_per_sms, Some(organization));
        let (ledger, db) = (&state.shield.ledger, &state.stack.db);
        match ledger.take(db, &charges, taken_at).await {
            Ok(()) => Ok(Self { charges, taken_at }),
            Err(CodeError::Throttled(seconds)) => {
                Err(ApiError::too_many(u64::try_from(seconds).unwrap_or(1)))
            }
            Err(error) => Err(ApiError::internal(anyhow::Error::new(error))),
        }
    }

    /// For a message that was not sent.
    pub(super) async fn give_back(&self, state: &AppState) {
        let ledger = &state.shield.ledger;
        ledger.give_back(&self.charges, self.taken_at).await;
    }

    /// Books what the provider really charged, when it said so.
    async fn settle(&self, state: &AppState, cost: Option<i64>) {
        if let Some(cost) = cost.filter(|cost| *cost >= 0) {
            let ledger = &state.shield.ledger;
            ledger.correct(&self.charges, cost, self.taken_at).await;
        }
    }
}

/// Hands the text message to `integrations` and notes what it says.
///
/// # Errors
/// Database failures.
pub(super) async fn deliver(
    state: &AppState,
    row: InvitationRow,
    fare: &Fare,
    clinic: Option<ClinicRole>,
    content: Option<ContentRole>,
    language: Language,
) -> Result<InvitationRow, ApiError> {
    let address = state.stack.origins.first().map(url::Url::as_str);
    let message = SendMessageRequest {
        idempotency_key: format!("invitation:{}:{}", row.id, row.sends),
        channel: Channel::Sms,
        to: row.phone.clone(),
        language,
        subject: None,
        text: text::compose(language, &row.organization_name, clinic, content, address),
        html: None,
        purpose: MessagePurpose::Notification,
        template: None,
        mode: DeliveryMode::Queued,
        organization_id: Some(row.organization_id),
        reference: Some(row.id.to_string()),
    };
    let answer: Result<SendMessageResponse, InternalError> = state
        .messages
        .post_json("/internal/messages/", &message)
        .await;
    let delivery = match answer {
        Ok(answer) => {
            if answer.state == MessageState::Refused {
                fare.give_back(state).await;
            } else {
                fare.settle(state, answer.cost).await;
            }
            match answer.state {
                MessageState::Sent => "sent",
                MessageState::Queued => "queued",
                MessageState::Unknown => "unknown",
                MessageState::Refused => "failed",
            }
        }
        Err(error) if error.is_unknown() => {
            tracing::warn!(%error, invitation = %row.id, "whether the invitation was sent is unknown");
            "unknown"
        }
        Err(error) => {
            tracing::warn!(%error, invitation = %row.id, "the invitation was not sent");
            fare.give_back(state).await;
            "failed"
        }
    };
    let mut conn = state.stack.db.get().await?;
    store::set_delivery(&mut conn, row.id, delivery).await?;
    Ok(store::get_invitation(&mut conn, row.id).await?)
}
