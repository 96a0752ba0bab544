//! What the payment routes take and answer.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Payment;

/// `POST /api/v1/payments/`: pay an invoice online.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreatePaymentRequest {
    /// `invoice`; other purposes have routes of their own.
    pub purpose: String,
    /// The invoice.
    pub invoice_id: Uuid,
    /// Minor units, at most what is due; all of it when absent.
    pub amount: Option<i64>,
    /// Where the payer is sent afterwards; our own pages and the listed origins only.
    pub return_url: Option<String>,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentResponse {
    /// Its id.
    pub id: Uuid,
    /// `pending`, `processing`, `completed`, `failed`, `cancelled`, `expired`, `partially_refunded`, `refunded`.
    pub status: &'static str,
    /// `invoice`, `wallet_charge`, `soapify`, `service`.
    pub purpose: &'static str,
    /// Minor units.
    pub amount: i64,
    /// ISO code.
    pub currency: &'static str,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// Where to pay, while it may be paid.
    pub payment_url: Option<String>,
    /// The provider's slug.
    pub provider: String,
    /// The bank's tracking number.
    pub tracking_code: Option<String>,
    /// Minor units that went back.
    pub refunded_amount: i64,
    /// In words.
    pub description: String,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it is given up if nobody pays.
    pub expires_at: DateTime<Utc>,
    /// When it was settled.
    pub completed_at: Option<DateTime<Utc>>,
}

impl From<&Payment> for PaymentResponse {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id,
            status: payment.status.as_str(),
            purpose: payment.purpose.as_str(),
            amount: payment.price.amount,
            currency: payment.price.currency.code(),
            invoice_id: payment.invoice_id,
            payment_url: payment
                .status
                .is_open()
                .then(|| payment.payment_url.clone())
                .flatten(),
            provider: payment.provider.clone(),
            tracking_code: payment.tracking_code.clone(),
            refunded_amount: payment.refunded_amount,
            description: payment.description.clone(),
            created_at: payment.created_at,
            expires_at: payment.expires_at,
            completed_at: payment.completed_at,
        }
    }
}

/// `POST /crazyminer/payment/create/` (Y03).
#[derive(Debug, Deserialize, ToSchema)]
#[allow(
    dead_code,
    reason = "read as JSON so that amounts keep their form; this is its description"
)]
pub(crate) struct ChargeWalletRequest {
    /// Rial, at least 10,000; number or text.
    amount: i64,
    /// In the payer's words.
    description: Option<String>,
}

/// `POST /crazyminer/patient/soapify-payment/` (Y01).
#[derive(Debug, Deserialize, ToSchema)]
#[allow(
    dead_code,
    reason = "read as JSON so that amounts keep their form; this is its description"
)]
pub(crate) struct SoapifyPaymentRequest {
    /// Rial; number or text.
    amount: i64,
    /// The user in SOAPify.
    soapify_user_id: String,
    /// In the payer's words.
    description: Option<String>,
}

/// What CrazyMiner's clients get for a started payment (Y01, Y03).
#[derive(Debug, Serialize, ToSchema)]
#[allow(
    dead_code,
    reason = "the answer echoes the amount as it came; this is its description"
)]
pub(crate) struct StartedResponse {
    transaction_id: Uuid,
    payment_url: String,
    amount: i64,
    status: String,
    status_display: Option<String>,
    soapify_user_id: Option<String>,
}

/// `POST /crazyminer/payment/callback/` (Y07): a hint, believed by nobody.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(
    dead_code,
    reason = "read as JSON because old clients send numbers and texts; this is its description"
)]
pub(crate) struct CallbackRequest {
    /// The gateway's number of the transaction.
    trans_id: String,
    /// The gateway's number of the payment.
    id_get: String,
    /// Ignored.
    tracking_code: Option<String>,
}

/// `GET /crazyminer/payment/status/{id}/` (Y07).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusResponse {
    pub(super) transaction_id: Uuid,
    pub(super) status: &'static str,
    pub(super) status_display: &'static str,
    pub(super) amount: String,
    pub(super) gateway_tracking_code: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_url: Option<String>,
}

impl From<Payment> for StatusResponse {
    fn from(payment: Payment) -> Self {
        Self {
            transaction_id: payment.id,
            status: payment.status.as_str(),
            status_display: payment.status.display(),
            amount: payment.price.amount.to_string(),
            gateway_tracking_code: payment.tracking_code,
            created_at: payment.created_at,
            completed_at: payment.completed_at,
            payment_url: payment
                .status
                .is_open()
                .then_some(payment.payment_url)
                .flatten(),
        }
    }
}

/// One line of `GET /crazyminer/payment/list/` (Y07).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedPayment {
    id: Uuid,
    user: Option<Uuid>,
    user_phone: String,
    amount: String,
    status: &'static str,
    status_display: &'static str,
    gateway_transaction_id: Option<String>,
    gateway_reference_id: Option<String>,
    gateway_tracking_code: Option<String>,
    description: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl ListedPayment {
    pub(super) fn of(payment: Payment, user_phone: &str) -> Self {
        Self {
            id: payment.id,
            user: payment.payer_id,
            user_phone: user_phone.to_owned(),
            amount: payment.price.amount.to_string(),
            status: payment.status.as_str(),
            status_display: payment.status.display(),
            gateway_transaction_id: payment.provider_reference,
            gateway_reference_id: payment.hints.into_iter().next_back(),
            gateway_tracking_code: payment.tracking_code,
            description: payment.description,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            completed_at: payment.completed_at,
        }
    }
}

/// The list of CrazyMiner's clients: the newest 20, no pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedPayments {
    pub(super) count: usize,
    pub(super) results: Vec<ListedPayment>,
}

/// Filters of `GET /api/v1/payments/`.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentsQuery {
    pub(crate) status: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) invoice_id: Option<Uuid>,
    pub(crate) payer_id: Option<Uuid>,
    /// First day, UTC.
    pub(crate) from: Option<NaiveDate>,
    /// Last day, UTC.
    pub(crate) to: Option<NaiveDate>,
    pub(crate) min_amount: Option<i64>,
    pub(crate) max_amount: Option<i64>,
}

/// `GET /api/v1/payments/{id}/receipt.pdf`.
#[derive(Debug, Deserialize)]
pub(crate) struct ReceiptQuery {
    /// `fa`, `fr` or `en`; the caller's language when absent.
    pub(crate) lang: Option<String>,
}
