//! What the reconciliation routes take and answer.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Exception, store::RunRow};

/// One look at a provider's day, or at our own books (`ledger`).
#[derive(Debug, Serialize, ToSchema)]
pub struct RunResponse {
    /// The provider's slug, or `ledger`.
    pub provider: String,
    /// `list` (its settlement list), `status` (asked for each payment), `books` (our own).
    pub source: String,
    /// `clean`, `exceptions`, `unanswered`.
    pub outcome: String,
    /// Payments compared.
    pub lines: i64,
    /// Those that agreed.
    pub matched: i64,
    /// Differences found.
    pub exceptions: i64,
    /// When the look began.
    pub started_at: DateTime<Utc>,
    /// When it was done.
    pub finished_at: DateTime<Utc>,
}

impl From<RunRow> for RunResponse {
    fn from(run: RunRow) -> Self {
        Self {
            provider: run.provider,
            source: run.source,
            outcome: run.outcome,
            lines: run.lines,
            matched: run.matched,
            exceptions: run.exceptions,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// A difference between provider, payments and ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExceptionResponse {
    /// Its id.
    pub id: Uuid,
    /// The provider's slug, or `ledger`.
    pub provider: String,
    /// `missing_here`, `missing_there`, `amount_differs`, `currency_differs`, `refund_missing_there`, `not_booked`,
    /// `booked_without_payment`, `refund_differs`, `transfer_unbalanced`, `balance_differs`, `line_differs`, `overpaid_invoice`.
    pub kind: String,
    /// The row or the provider's number it was found at.
    pub subject: String,
    /// The payment, when there is one.
    pub payment_id: Option<Uuid>,
    /// The day it belongs to.
    pub day: NaiveDate,
    /// ISO code of the amounts.
    pub currency: Option<String>,
    /// Minor units as they should be.
    pub expected: Option<i64>,
    /// Minor units as they were found.
    pub found: Option<i64>,
    /// `open` or `resolved`.
    pub status: String,
    /// `accept`, `adjust`, `recheck`.
    pub action: Option<String>,
    /// Why it was resolved so.
    pub reason: Option<String>,
    /// Who resolved it.
    pub resolved_by: Option<Uuid>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When it was found first.
    pub created_at: DateTime<Utc>,
    /// When it was seen last.
    pub last_seen_at: DateTime<Utc>,
}

impl From<Exception> for ExceptionResponse {
    fn from(row: Exception) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            kind: row.kind,
            subject: row.subject,
            payment_id: row.payment_id,
            day: row.day,
            currency: row.currency,
            expected: row.expected,
            found: row.found,
            status: row.status,
            action: row.action,
            reason: row.reason,
            resolved_by: row.resolved_by,
            resolved_at: row.resolved_at,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
        }
    }
}

/// A day's reconciliation.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayResponse {
    /// The day (UTC).
    pub date: NaiveDate,
    /// `clean`, `exceptions`, `unanswered`, or `none` when nobody looked yet.
    pub outcome: &'static str,
    /// The looks at it.
    pub runs: Vec<RunResponse>,
    /// The organisation's differences of that day, at most 100; all of them under `exceptions/`.
    pub exceptions: Vec<ExceptionResponse>,
}

/// `POST /api/v1/reconciliation/exceptions/{id}/resolve/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// `accept` (book nothing), `adjust` (book the difference), `recheck` (ask again).
    pub action: String,
    /// Why, 1 to 500 characters.
    pub reason: String,
}

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ExceptionsQuery {
    pub(crate) day: Option<NaiveDate>,
    pub(crate) status: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) payment_id: Option<Uuid>,
}
