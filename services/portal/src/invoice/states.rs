//! Where every invoice stands, page by page: for payments' copies of what was before it listened to the events.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use service_http::{ApiError, Query, ServiceCaller};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    report::{self, Published},
    schema::invoices,
    state::AppState,
    web::{Act, Who},
};

/// Invoices of a page.
const PAGE: i64 = 200;
/// The one service that keeps copies of them.
const READER: &str = "service:payments";

/// Where the page begins.
#[derive(Debug, Deserialize)]
pub(crate) struct AfterQuery {
    /// The `next` of the page before; absent for the first.
    after: Option<Uuid>,
}

/// An invoice and what was published on it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceState {
    /// The invoice.
    invoice_id: Uuid,
    /// Its organisation.
    organization_id: Uuid,
    /// Its patient.
    patient_id: Uuid,
    /// Its state.
    status: String,
    /// Minor units of the whole invoice.
    total_amount: i64,
    /// ISO code.
    currency: String,
    /// Grows with every change, as in `portal.invoice_status_changed`.
    version: i64,
    /// Since when it is paid.
    paid_at: Option<DateTime<Utc>>,
    /// When it changed last.
    changed_at: DateTime<Utc>,
    /// Its reports that patients may read.
    reports: Vec<PublishedReport>,
}

/// A report that was published on an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedReport {
    /// The report.
    report_id: Uuid,
    /// When.
    published_at: DateTime<Utc>,
}

/// A page, in the order of the invoices' ids.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceStates {
    /// At most 200.
    invoices: Vec<InvoiceState>,
    /// Where the next page begins; `null` at the end.
    next: Option<Uuid>,
}

type Row = (
    Uuid,
    Uuid,
    Uuid,
    String,
    i64,
    String,
    i64,
    Option<DateTime<Utc>>,
    DateTime<Utc>,
);

/// Invoices of every organisation with their published reports; for payments alone.
#[utoipa::path(tag = "internal", params(("after" = Option<Uuid>, Query)),
    responses((status = 200, body = InvoiceStates), (status = 403, description = "Not payments")))]
#[get("/internal/invoices")]
pub(crate) async fn list_invoice_states(
    state: web::Data<AppState>,
    caller: ServiceCaller,
    query: Query<AfterQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    if caller.sub != READER {
        return Err(ApiError::permission_denied());
    }
    let (who, now) = (Who::service(&request, &caller.sub), state.now());
    let page = state
        .db
        .transaction(async |conn| {
            let page = read(conn, query.after.unwrap_or_default()).await?;
            let ids: Vec<Uuid> = page.invoices.iter().map(|row| row.invoice_id).collect();
            if !ids.is_empty() {
                who.record(conn, Act::on("invoice.listed", "invoice", &ids), now)
                    .await?;
            }
            Ok::<_, super::InvoiceError>(page)
        })
        .await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn read(conn: &mut AsyncPgConnection, after: Uuid) -> QueryResult<InvoiceStates> {
    let rows: Vec<Row> = invoices::table
        .filter(invoices::id.gt(after))
        .filter(invoices::hidden_at.is_null())
        .order(invoices::id)
        .limit(PAGE)
        .select((
            invoices::id,
            invoices::organization_id,
            invoices::patient_id,
            invoices::status,
            invoices::total_amount,
            invoices::currency,
            invoices::version,
            invoices::paid_at,
            invoices::updated_at,
        ))
        .load(conn)
        .await?;
    let whole = i64::try_from(rows.len()) == Ok(PAGE);
    let next = rows.last().map(|row| row.0).filter(|_| whole);
    let whose: Vec<(Uuid, Uuid)> = rows.iter().map(|row| (row.1, row.0)).collect();
    let mut published = report::published_on(conn, &whose).await?;
    let invoices = rows
        .into_iter()
        .map(
            |(
                invoice_id,
                organization_id,
                patient_id,
                status,
                total_amount,
                currency,
                version,
                paid_at,
                changed_at,
            )| {
                let reports = published.remove(&invoice_id).unwrap_or_default();
                InvoiceState {
                    invoice_id,
                    organization_id,
                    patient_id,
                    status,
                    total_amount,
                    currency,
                    version,
                    paid_at,
                    changed_at,
                    reports: reports.into_iter().map(PublishedReport::from).collect(),
                }
            },
        )
        .collect();
    Ok(InvoiceStates { invoices, next })
}

impl From<Published> for PublishedReport {
    fn from((report_id, published_at): Published) -> Self {
        Self {
            report_id,
            published_at,
        }
    }
}
