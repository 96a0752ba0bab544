use service_db::DbError;
use service_http::{ApiError, Text, idempotency::Refusal};

use crate::ledger::LedgerError;

/// Why a refund was not begun or decided.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// There is no such payment in the organisation.
    #[error("no such payment")]
    UnknownPayment,
    /// There is no such refund in the organisation.
    #[error("no such refund")]
    NotFound,
    /// The payment holds no money.
    #[error("the payment is {0} and holds no money")]
    NotPaid(&'static str),
    /// More than what is left of the payment.
    #[error("more than what is left")]
    TooMuch,
    /// The money was spent from the wallet.
    #[error("the wallet no longer holds the money")]
    WalletSpent,
    /// The payment's provider cannot, or there is no payer with a wallet.
    #[error("not possible by {0}")]
    MethodNotPossible(&'static str),
    /// A refund at the desk names its reference.
    #[error("a manual refund needs a reference")]
    ReferenceRequired,
    /// It waits for no decision.
    #[error("the refund waits for no decision")]
    NotWaiting,
    /// Who asked for it does not decide on it.
    #[error("the second person must be another")]
    SamePerson,
    /// A difference of this payment is open.
    #[error("blocked by an open difference")]
    Blocked,
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

impl From<diesel::result::Error> for RefundError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<LedgerError> for RefundError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::InsufficientFunds => Self::WalletSpent,
            LedgerError::Database(error) => Self::Db(error.into()),
            other => Self::Unexpected(other.into()),
        }
    }
}

impl From<RefundError> for ApiError {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::UnknownPayment => crate::payment::PaymentError::NotFound.into(),
            RefundError::NotFound => Self::not_found(
                "refund.not_found",
                Text::i18n(
                    "بازگشت وجه یافت نشد.",
                    "Remboursement introuvable.",
                    "Refund not found.",
                ),
            ),
            RefundError::NotPaid(_) => Self::conflict(
                "refund.not_paid",
                Text::i18n(
                    "از این پرداخت پولی برای بازگرداندن نمانده است.",
                    "Ce paiement ne contient rien à rembourser.",
                    "This payment holds no money to give back.",
                ),
            ),
            RefundError::TooMuch => Self::unprocessable(
                "refund.too_much",
                Text::i18n(
                    "مبلغ بیش از باقی‌ماندهٔ پرداخت است.",
                    "Le montant dépasse ce qui reste du paiement.",
                    "The amount is more than what is left of the payment.",
                ),
            ),
            RefundError::WalletSpent => Self::conflict(
                "wallet.insufficient_funds",
                Text::i18n(
                    "موجودی کیف پول کافی نیست.",
                    "Le solde du portefeuille est insuffisant.",
                    "The wallet does not hold enough.",
                ),
            ),
            RefundError::MethodNotPossible(_) => Self::unprocessable(
                "refund.method",
                Text::i18n(
                    "این پرداخت را نمی‌توان به این روش بازگرداند.",
                    "Ce paiement ne peut pas être remboursé ainsi.",
                    "This payment cannot be given back that way.",
                ),
            ),
            RefundError::ReferenceRequired => Self::invalid().field(
                "reference",
                Text::i18n("لازم است.", "Obligatoire.", "Required."),
            ),
            RefundError::NotWaiting => Self::conflict(
                "refund.not_waiting",
                Text::i18n(
                    "این بازگشت وجه در انتظار تصمیم نیست.",
                    "Ce remboursement n’attend pas de décision.",
                    "This refund waits for no decision.",
                ),
            ),
            RefundError::SamePerson => Self::forbidden(
                "refund.same_person",
                Text::i18n(
                    "شخص دیگری باید تصمیم بگیرد.",
                    "Une autre personne doit décider.",
                    "Another person must decide.",
                ),
            ),
            RefundError::Blocked => Self::conflict(
                "refund.blocked",
                Text::i18n(
                    "این پرداخت مغایرت حل‌نشده دارد.",
                    "Ce paiement présente un écart non résolu.",
                    "This payment has an unresolved difference.",
                ),
            ),
            RefundError::Key(refusal) => refusal.into(),
            RefundError::Db(error) => crate::busy::answer(error),
            RefundError::Unexpected(error) => Self::internal(error),
        }
    }
}
