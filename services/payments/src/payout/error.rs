use chrono::{DateTime, Utc};
use serde_json::json;
use service_db::{DbError, violated};
use service_http::{ApiError, Text, idempotency::Refusal};

use crate::ledger::LedgerError;

/// Why a payout was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum PayoutError {
    /// A difference is open.
    #[error("blocked by an open difference")]
    Blocked,
    /// More than the provider owes.
    #[error("more than the provider owes")]
    TooMuch,
    /// The phone of the person who asks became another one lately.
    #[error("payouts of this person wait until {0}")]
    Held(DateTime<Utc>),
    /// auth-otp knows no such active person.
    #[error("not an active person")]
    NotActive,
    /// auth-otp did not say whether payouts of this person wait.
    #[error("auth-otp did not answer: {0}")]
    Unanswered(String),
    /// This bank reference is recorded.
    #[error("recorded already")]
    Recorded,
    /// The idempotency key's refusal.
    #[error(transparent)]
    Key(#[from] Refusal),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PayoutError {
    fn from(error: diesel::result::Error) -> Self {
        match violated(&error) {
            Some("payouts_bank_reference") => Self::Recorded,
            _ => Self::Db(error.into()),
        }
    }
}

impl From<LedgerError> for PayoutError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Database(error) => Self::Db(error.into()),
            other => Self::Unexpected(other.into()),
        }
    }
}

impl From<PayoutError> for ApiError {
    fn from(error: PayoutError) -> Self {
        match error {
            PayoutError::Blocked => Self::conflict(
                "payout.blocked",
                Text::i18n(
                    "تا حل مغایرت‌ها تسویه ثبت نمی‌شود.",
                    "Des écarts non résolus bloquent les versements.",
                    "Unresolved differences block payouts.",
                ),
            ),
            PayoutError::TooMuch => Self::unprocessable(
                "payout.too_much",
                Text::i18n(
                    "مبلغ بیش از بدهی درگاه است.",
                    "Le montant dépasse ce que doit le prestataire.",
                    "The amount is more than the provider owes.",
                ),
            ),
            PayoutError::Held(until) => Self::conflict(
                "payout.held",
                Text::i18n(
                    "شمارهٔ تلفن شما به‌تازگی تغییر کرده است؛ ثبت تسویه تا چند روز ممکن نیست.",
                    "Votre numéro a changé récemment : les versements attendent quelques jours.",
                    "Your phone number changed lately: payouts wait for some days.",
                ),
            )
            .contract(json!({ "held_until": until })),
            PayoutError::NotActive => Self::permission_denied(),
            PayoutError::Unanswered(reason) => Self::unavailable(
                "payout.unchecked",
                Text::i18n(
                    "اکنون نمی‌توان تسویه را بررسی کرد. دوباره تلاش کنید.",
                    "La vérification du versement est impossible pour l’instant. Réessayez.",
                    "The payout cannot be checked now. Try again.",
                ),
            )
            .retry_after(5)
            .caused_by(anyhow::anyhow!("{reason}")),
            PayoutError::Recorded => Self::conflict(
                "payout.recorded",
                Text::i18n(
                    "این شمارهٔ بانکی پیش‌تر ثبت شده است.",
                    "Cette référence bancaire est déjà enregistrée.",
                    "This bank reference is recorded already.",
                ),
            ),
            PayoutError::Key(refusal) => refusal.into(),
            PayoutError::Db(error) => crate::busy::answer(error),
            PayoutError::Unexpected(error) => Self::internal(error),
        }
    }
}
