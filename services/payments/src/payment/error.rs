use service_db::DbError;
use service_http::{ApiError, Text, idempotency::Refusal};

use crate::ledger::LedgerError;

/// Why a payment was not started or changed.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// There is no such payment for this caller.
    #[error("no such payment")]
    NotFound,
    /// There is no such invoice in the caller's organisation.
    #[error("no such invoice")]
    UnknownInvoice,
    /// The invoice cannot be paid: it is a draft, cancelled, or paid already.
    #[error("the invoice is {0} and cannot be paid")]
    NotPayable(String),
    /// The amount is beyond what is allowed.
    #[error("the amount is not allowed")]
    BadAmount,
    /// No enabled provider takes this amount of this currency.
    #[error("no provider takes this price")]
    NoProvider,
    /// The wallet does not hold so much.
    #[error("the wallet does not hold enough")]
    InsufficientFunds,
    /// More than what is due on the invoice.
    #[error("more than what is due")]
    AboveDue,
    /// The payment is paid or ended and cannot be cancelled.
    #[error("the payment is {0}")]
    NotOpen(&'static str),
    /// Too many payments were started.
    #[error("too many payments were started")]
    TooOften,
    /// Too much money within a day.
    #[error("too much money within a day")]
    TooMuchToday,
    /// A receipt is for a payment with money.
    #[error("no receipt for an unpaid payment")]
    NoReceipt,
    /// The payer may not be sent back to that address.
    #[error("return_url is not on the list")]
    BadReturnUrl,
    /// The same request is still running.
    #[error("the same payment is being started")]
    InFlight,
    /// An earlier request with the same key had another body.
    #[error("the idempotency key was used with another body")]
    OtherBody,
    /// The provider said no.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The provider, or a service we need, did not answer.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PaymentError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<Refusal> for PaymentError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InFlight => Self::InFlight,
            Refusal::OtherBody => Self::OtherBody,
        }
    }
}

impl From<LedgerError> for PaymentError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::InsufficientFunds => Self::InsufficientFunds,
            LedgerError::Database(error) => Self::Db(error.into()),
            other => Self::Unexpected(other.into()),
        }
    }
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::NotFound => Self::not_found(
                "payment.not_found",
                Text::i18n(
                    "پرداخت یافت نشد.",
                    "Paiement introuvable.",
                    "Payment not found.",
                ),
            ),
            PaymentError::UnknownInvoice => Self::not_found(
                "payment.unknown_invoice",
                Text::i18n(
                    "صورت‌حساب یافت نشد.",
                    "Facture introuvable.",
                    "Invoice not found.",
                ),
            ),
            PaymentError::NotPayable(_) => Self::conflict(
                "payment.invoice_not_payable",
                Text::i18n(
                    "این صورت‌حساب قابل پرداخت نیست.",
                    "Cette facture ne peut pas être payée.",
                    "This invoice cannot be paid.",
                ),
            ),
            PaymentError::BadAmount => Self::bad_request(
                "payment.amount",
                Text::i18n(
                    "مبلغ مجاز نیست.",
                    "Montant non autorisé.",
                    "The amount is not allowed.",
                ),
            ),
            PaymentError::NoProvider => Self::unprocessable(
                "payment.no_provider",
                Text::i18n(
                    "هیچ درگاهی این مبلغ را با این واحد پول نمی‌پذیرد.",
                    "Aucun prestataire n’accepte ce montant dans cette devise.",
                    "No payment provider takes this amount in this currency.",
                ),
            ),
            PaymentError::InsufficientFunds => Self::conflict(
                "wallet.insufficient_funds",
                Text::i18n(
                    "موجودی کیف پول کافی نیست.",
                    "Le solde du portefeuille est insuffisant.",
                    "The wallet does not hold enough.",
                ),
            ),
            PaymentError::AboveDue => Self::unprocessable(
                "payment.above_due",
                Text::i18n(
                    "مبلغ بیش از باقی‌ماندهٔ صورت‌حساب است.",
                    "Le montant dépasse le reste à payer.",
                    "The amount is more than what is due.",
                ),
            ),
            PaymentError::NotOpen(_) => Self::conflict(
                "payment.not_open",
                Text::i18n(
                    "این پرداخت دیگر باز نیست.",
                    "Ce paiement n’est plus ouvert.",
                    "This payment is no longer open.",
                ),
            ),
            PaymentError::TooOften => Self::too_many(600),
            PaymentError::TooMuchToday => Self::unprocessable(
                "payment.too_much_today",
                Text::i18n(
                    "سقف مبلغ روزانه پر شده است.",
                    "Le plafond quotidien est atteint.",
                    "The daily ceiling is reached.",
                ),
            ),
            PaymentError::NoReceipt => Self::conflict(
                "payment.no_receipt",
                Text::i18n(
                    "رسید فقط برای پرداخت انجام‌شده است.",
                    "Un reçu n’existe que pour un paiement effectué.",
                    "Only a paid payment has a receipt.",
                ),
            ),
            PaymentError::BadReturnUrl => Self::invalid().field(
                "return_url",
                Text::i18n(
                    "این نشانی مجاز نیست.",
                    "Cette adresse n’est pas autorisée.",
                    "This address is not allowed.",
                ),
            ),
            PaymentError::InFlight => Refusal::InFlight.into(),
            PaymentError::OtherBody => Refusal::OtherBody.into(),
            PaymentError::Refused(reason) => Self::bad_gateway(
                "payment.provider_refused",
                Text::i18n(
                    "درگاه پرداخت درخواست را نپذیرفت.",
                    "Le prestataire de paiement a refusé.",
                    "The payment provider refused.",
                ),
            )
            .caused_by(anyhow::anyhow!("{reason}")),
            PaymentError::Unanswered(reason) => Self::unavailable(
                "payment.provider_unanswered",
                Text::i18n(
                    "درگاه پرداخت پاسخ نداد. دوباره تلاش کنید.",
                    "Le prestataire de paiement n’a pas répondu. Réessayez.",
                    "The payment provider did not answer. Try again.",
                ),
            )
            .retry_after(5)
            .caused_by(anyhow::anyhow!("{reason}")),
            PaymentError::Db(error) => crate::busy::answer(error),
            PaymentError::Unexpected(error) => Self::internal(error),
        }
    }
}
