//! `/api/v1/payments/{paid-not-reported,reported-not-paid}/`: for the clinic's staff.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::Page;
use serde::{Deserialize, Serialize};
use service_http::{Allowed, ApiError, ClinicStaff, PageQuery, Query, paginate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, Line, UNPAID, UNREPORTED};
use crate::{AppState, payment::own_organization};

/// An invoice that waits for its report, or a report whose invoice waits for money.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingResponse {
    /// The invoice.
    invoice_id: Uuid,
    /// Its patient.
    patient_id: Uuid,
    /// The invoice's state.
    invoice_status: String,
    /// Minor units of the whole invoice.
    total_amount: i64,
    /// ISO code.
    currency: String,
    /// The report, when it is the report that was published.
    report_id: Option<Uuid>,
    /// Paid, or published, since.
    since: DateTime<Utc>,
}

impl From<Line> for WaitingResponse {
    fn from(line: Line) -> Self {
        Self {
            invoice_id: line.invoice_id,
            patient_id: line.patient_id,
            invoice_status: line.status,
            total_amount: line.total_amount,
            currency: line.currency,
            report_id: line.report_id,
            since: line.since,
        }
    }
}

/// How long it must have waited.
#[derive(Debug, Deserialize)]
pub(crate) struct WaitingQuery {
    /// Hours, 0 to 8,760.
    older_than_hours: Option<i64>,
}

impl WaitingQuery {
    fn before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.older_than_hours.unwrap_or(0).clamp(0, 8_760) {
            // Portal's clock may be ahead of ours.
            0 => now + TimeDelta::minutes(5),
            hours => now - TimeDelta::hours(hours),
        }
    }
}

/// Invoices that are paid and have no published report yet, the longest waiting first.
#[utoipa::path(get, path = "/api/v1/payments/paid-not-reported/",
    params(("older_than_hours" = Option<i64>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<WaitingResponse>)))]
pub(crate) async fn list_paid_not_reported(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    page: Query<PageQuery>,
    query: Query<WaitingQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let which = (own_organization(&caller)?, query.before(state.now()));
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, lines) = store::list(&mut conn, UNREPORTED, which, range).await?;
    let lines: Vec<WaitingResponse> = lines.into_iter().map(WaitingResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, lines)?))
}

/// Reports that are published although their invoice is not paid, the longest waiting first.
#[utoipa::path(get, path = "/api/v1/payments/reported-not-paid/",
    params(("older_than_hours" = Option<i64>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<WaitingResponse>)))]
pub(crate) async fn list_reported_not_paid(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    page: Query<PageQuery>,
    query: Query<WaitingQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let which = (own_organization(&caller)?, query.before(state.now()));
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, lines) = store::list(&mut conn, UNPAID, which, range).await?;
    let lines: Vec<WaitingResponse> = lines.into_iter().map(WaitingResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, lines)?))
}
