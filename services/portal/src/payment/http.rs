//! `/api/payments/`: payments recorded on invoices.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use common_types::{ClinicRole, Language};
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{ApiError, JsonBytes, Path, Query, idempotency::OptionalKey};

use super::{
    amend,
    dto::{METHODS, PaymentResponse, respond_many},
    error::PaymentError,
    receipt, service,
    store::{self, PaymentFilter},
};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, http::pdf_response},
    state::AppState,
    web::{
        Act, ListQuery, Listing, Once, Staff,
        actions::{EditPayments, ListPayments, ReadPayments, RecordPayments},
        filter_day, filter_number, money_number, search_words, words,
    },
};

#[derive(Debug, Deserialize)]
struct PaymentQuery {
    #[serde(flatten)]
    list: ListQuery,
    patient: Option<String>,
    invoice: Option<String>,
    payment_method: Option<String>,
    method: Option<String>,
    status: Option<String>,
    date_from: Option<String>,
    date_to: Option<String>,
}

impl PaymentQuery {
    fn filter(&self) -> Result<PaymentFilter, ApiError> {
        let method = self
            .payment_method
            .clone()
            .or_else(|| self.method.clone())
            .filter(|text| !text.is_empty());
        if let Some(method) = &method
            && !METHODS.iter().any(|(name, _)| name == method)
        {
            return Err(
                ApiError::invalid().field("payment_method", words::bad_filter_choice(method))
            );
        }
        Ok(PaymentFilter {
            words: search_words(self.list.search.as_deref()),
            patient: filter_number("patient", self.patient.as_deref())?,
            invoice: filter_number("invoice", self.invoice.as_deref())?,
            method,
            status: self.status.clone().filter(|text| !text.is_empty()),
            date_from: filter_day("date_from", self.date_from.as_deref())?,
            date_to: filter_day("date_to", self.date_to.as_deref())?,
        })
    }
}

/// Lists recorded payments, newest first. Doctors get an empty page (cimef.md flag 18).
#[utoipa::path(tag = "recorded payments", responses((status = 200, body = Listing<PaymentResponse>)))]
#[get("/api/payments")]
pub(crate) async fn list_payments(
    state: web::Data<AppState>,
    staff: Staff<ListPayments>,
    query: Query<PaymentQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<PaymentResponse>>, ApiError> {
    let window = query.list.window(None)?;
    if staff.has_role(ClinicRole::Doctor) {
        return Ok(web::Json(window.listing(
            &request,
            state.public_url(),
            0,
            Vec::new(),
        )?));
    }
    let filter = query.filter()?;
    let ordering = query.list.ordering().to_owned();
    let (organization, now) = (staff.organization(), state.now());
    let (count, results) = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let count = store::count_payments(conn, organization, &filter).await?;
            let range = window.range(count).map_err(PaymentError::Refused)?;
            let rows = store::list_payments(conn, organization, &filter, &ordering, range).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            staff
                .who()
                .record(
                    conn,
                    Act::on("recorded_payments.listed", "recorded_payment", &ids),
                    now,
                )
                .await?;
            let results = respond_many(conn, organization, &clinic, &rows, now).await?;
            Ok::<_, PaymentError>((count, results))
        })
        .await?;
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Records a payment on an invoice; takes `Idempotency-Key`.
#[utoipa::path(tag = "recorded payments", request_body = Object, responses((status = 201, body = PaymentResponse), (status = 400), (status = 409), (status = 422)))]
#[post("/api/payments")]
pub(crate) async fn create_payment(
    state: web::Data<AppState>,
    staff: Staff<RecordPayments>,
    key: OptionalKey,
    body: JsonBytes<Value>,
) -> Result<HttpResponse, ApiError> {
    let once = Once::new(key, staff.sub, "recorded_payments.create", &body.bytes);
    let stored =
        service::record(&state, staff.organization(), staff.who(), &once, body.value).await?;
    Ok(stored.into_response())
}

#[derive(Debug, Deserialize)]
struct ByInvoiceQuery {
    invoice_id: Option<String>,
}

/// The payments of one invoice with their sum.
#[utoipa::path(tag = "recorded payments", params(("invoice_id" = i64, Query)), responses((status = 200), (status = 400)))]
#[get("/api/payments/by_invoice")]
pub(crate) async fn list_payments_by_invoice(
    state: web::Data<AppState>,
    staff: Staff<ReadPayments>,
    query: Query<ByInvoiceQuery>,
) -> Result<HttpResponse, ApiError> {
    let number = filter_number("invoice_id", query.invoice_id.as_deref())?
        .ok_or(PaymentError::InvoiceRequired)?;
    let (organization, now) = (staff.organization(), state.now());
    let body = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let bill = invoice::find_invoice_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::InvoiceNotFound)?;
            let filter = PaymentFilter {
                invoice: Some(number),
                ..PaymentFilter::default()
            };
            let rows = store::list_payments(conn, organization, &filter, "", (0, 1_000)).await?;
            let sums = invoice::totals(conn, organization, &[bill.id])
                .await?
                .remove(&bill.id)
                .unwrap_or_default();
            staff
                .who()
                .record(
                    conn,
                    Act::on("recorded_payments.listed", "invoice", &[bill.id]),
                    now,
                )
                .await?;
            let payments = respond_many(conn, organization, &clinic, &rows, now).await?;
            Ok::<_, PaymentError>(json!({
                "payment_count": payments.len(),
                "payments": payments,
                "total_paid": money_number(clinic::currency(&bill.currency), sums.paid),
            }))
        })
        .await?;
    Ok(HttpResponse::Ok().json(body))
}

/// Shows one recorded payment.
#[utoipa::path(tag = "recorded payments", params(("id" = i64, Path)), responses((status = 200, body = PaymentResponse), (status = 404)))]
#[get("/api/payments/{id:\\d+}")]
pub(crate) async fn get_payment(
    state: web::Data<AppState>,
    staff: Staff<ReadPayments>,
    id: Path<i64>,
) -> Result<web::Json<PaymentResponse>, ApiError> {
    let (organization, number, now) = (staff.organization(), *id, state.now());
    let response = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let row = store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            staff
                .who()
                .record(
                    conn,
                    Act::on("recorded_payment.read", "recorded_payment", &[row.id]),
                    now,
                )
                .await?;
            respond_many(conn, organization, &clinic, std::slice::from_ref(&row), now)
                .await?
                .pop()
                .ok_or(PaymentError::NotFound)
        })
        .await?;
    Ok(web::Json(response))
}

/// Corrects a recorded payment: what is sent changes, the rest stays; the ledger reverses and books anew.
#[utoipa::path(tag = "recorded payments", request_body = Object, params(("id" = i64, Path)), responses((status = 200, body = PaymentResponse), (status = 400), (status = 404), (status = 409)))]
#[patch("/api/payments/{id:\\d+}")]
pub(crate) async fn patch_payment(
    state: web::Data<AppState>,
    staff: Staff<EditPayments>,
    id: Path<i64>,
    body: JsonBytes<Value>,
) -> Result<web::Json<PaymentResponse>, ApiError> {
    let (organization, who) = (staff.organization(), staff.who());
    Ok(web::Json(
        amend::amend(&state, organization, who, *id, body.value).await?,
    ))
}

/// Voids a recorded payment; the ledger reverses it.
#[utoipa::path(tag = "recorded payments", params(("id" = i64, Path)), responses((status = 204), (status = 404), (status = 409)))]
#[delete("/api/payments/{id:\\d+}")]
pub(crate) async fn delete_payment(
    state: web::Data<AppState>,
    staff: Staff<EditPayments>,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    service::void(&state, staff.organization(), staff.who(), *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize)]
struct ReceiptQuery {
    language: Option<Language>,
}

/// Prints the receipt of a completed payment.
#[utoipa::path(tag = "recorded payments", params(("id" = i64, Path)), responses((status = 200), (status = 400), (status = 404)))]
#[get("/api/payments/{id:\\d+}/receipt")]
pub(crate) async fn get_receipt(
    state: web::Data<AppState>,
    staff: Staff<ReadPayments>,
    id: Path<i64>,
    query: Query<ReceiptQuery>,
) -> Result<HttpResponse, ApiError> {
    let paper = receipt::print(
        &state,
        staff.organization(),
        staff.who(),
        *id,
        query.language,
    )
    .await?;
    Ok(pdf_response(paper))
}
