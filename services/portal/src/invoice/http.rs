//! `/api/invoices/`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header::{Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
    patch, post, put, web,
};
use common_types::{ClinicRole, Language};
use serde::Deserialize;
use serde_json::Value;
use service_http::{ApiError, Json, JsonBytes, Path, Query, idempotency::OptionalKey};

use super::{
    InvoiceError, InvoiceResponse, create,
    dto::respond_many,
    list::{self, InvoiceFilter},
    model::STATES,
    paper::{self, Paper},
    store, update,
};
use crate::{
    clinic::Clinic,
    patient,
    state::AppState,
    web::{
        Act, ListQuery, Listing, Once, Staff,
        actions::{CreateInvoices, EditInvoices, ListInvoices, PrintInvoices, ReadInvoices},
        filter_day, filter_number, search_words,
    },
};

#[derive(Debug, Deserialize)]
struct InvoiceQuery {
    #[serde(flatten)]
    list: ListQuery,
    patient: Option<String>,
    status: Option<String>,
    payment_status: Option<String>,
    amount_min: Option<String>,
    amount_max: Option<String>,
    date_from: Option<String>,
    date_to: Option<String>,
}

/// Lists invoices, newest first. Doctors get an empty page: their patient page asks for it (cimef.md flag 18).
#[utoipa::path(tag = "invoices", responses((status = 200, body = Listing<InvoiceResponse>)))]
#[get("/api/invoices")]
pub(crate) async fn list_invoices(
    state: web::Data<AppState>,
    staff: Staff<ListInvoices>,
    query: Query<InvoiceQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<InvoiceResponse>>, ApiError> {
    let window = query.list.window(None)?;
    if staff.has_role(ClinicRole::Doctor) {
        return Ok(web::Json(window.listing(
            &request,
            state.public_url(),
            0,
            Vec::new(),
        )?));
    }
    let patient_number = filter_number("patient", query.patient.as_deref())?;
    let mut filter = InvoiceFilter {
        words: search_words(query.list.search.as_deref()),
        statuses: query
            .status
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.split(',')
                    .map(|status| status.trim().to_owned())
                    .collect()
            }),
        amount_min: filter_number("amount_min", query.amount_min.as_deref())?,
        amount_max: filter_number("amount_max", query.amount_max.as_deref())?,
        date_from: filter_day("date_from", query.date_from.as_deref())?,
        date_to: filter_day("date_to", query.date_to.as_deref())?,
        ..InvoiceFilter::default()
    };
    let (organization, now) = (staff.organization(), state.now());
    let ordering = query.list.ordering().to_owned();
    let mut conn = state.db.get().await?;
    let clinic = Clinic::of(&mut conn, organization, &state.settings.clinic).await?;
    if let Some(number) = patient_number {
        let row = patient::find_patient_by_number(&mut conn, organization, number)
            .await?
            .ok_or(InvoiceError::UnknownFilterPatient)?;
        filter.patient = Some(row.id);
    }
    drop(conn);
    match query.payment_status.as_deref() {
        Some("pending") => filter.statuses = Some(vec!["sent".into()]),
        Some("overdue") => filter.overdue_on = Some(clinic.local(now).date()),
        Some(status) if STATES.contains(&status) => filter.statuses = Some(vec![status.to_owned()]),
        _ => {}
    }
    let (count, results) = state
        .db
        .transaction(async |conn| {
            let count = list::count_invoices(conn, organization, &filter).await?;
            let range = window.range(count).map_err(InvoiceError::Refused)?;
            let rows = list::list_invoices(conn, organization, &filter, &ordering, range).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            staff
                .who()
                .record(conn, Act::on("invoices.listed", "invoice", &ids), now)
                .await?;
            let results = respond_many(conn, organization, &clinic, &rows, now).await?;
            Ok::<_, InvoiceError>((count, results))
        })
        .await?;
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Makes an invoice with its lines (R10); takes `Idempotency-Key`.
#[utoipa::path(tag = "invoices", request_body = Object, responses((status = 201, body = InvoiceResponse), (status = 400), (status = 409), (status = 422)))]
#[post("/api/invoices")]
pub(crate) async fn create_invoice(
    state: web::Data<AppState>,
    staff: Staff<CreateInvoices>,
    key: OptionalKey,
    body: JsonBytes<Value>,
) -> Result<HttpResponse, ApiError> {
    let once = Once::new(key, staff.sub, "invoices.create", &body.bytes);
    let stored =
        create::create(&state, staff.organization(), staff.who(), &once, body.value).await?;
    Ok(stored.into_response())
}

/// Shows one invoice.
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), responses((status = 200, body = InvoiceResponse), (status = 404)))]
#[get("/api/invoices/{id:\\d+}")]
pub(crate) async fn get_invoice(
    state: web::Data<AppState>,
    staff: Staff<ReadInvoices>,
    id: Path<i64>,
) -> Result<web::Json<InvoiceResponse>, ApiError> {
    let (organization, number, now) = (staff.organization(), *id, state.now());
    let response = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let row = store::find_invoice_by_number(conn, organization, number)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            staff
                .who()
                .record(conn, Act::on("invoice.read", "invoice", &[row.id]), now)
                .await?;
            respond_many(conn, organization, &clinic, std::slice::from_ref(&row), now)
                .await?
                .pop()
                .ok_or(InvoiceError::NotFound)
        })
        .await?;
    Ok(web::Json(response))
}

/// Changes an invoice; `items` replaces its lines.
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = InvoiceResponse), (status = 400), (status = 404)))]
#[patch("/api/invoices/{id:\\d+}")]
pub(crate) async fn patch_invoice(
    state: web::Data<AppState>,
    staff: Staff<EditInvoices>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<InvoiceResponse>, ApiError> {
    Ok(web::Json(
        update::update(&state, staff.organization(), staff.who(), *id, body.0).await?,
    ))
}

/// As PATCH.
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = InvoiceResponse), (status = 400), (status = 404)))]
#[put("/api/invoices/{id:\\d+}")]
pub(crate) async fn update_invoice(
    state: web::Data<AppState>,
    staff: Staff<EditInvoices>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<InvoiceResponse>, ApiError> {
    Ok(web::Json(
        update::update(&state, staff.organization(), staff.who(), *id, body.0).await?,
    ))
}

/// Cancels an invoice that bears no money.
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), responses((status = 204), (status = 404), (status = 409)))]
#[delete("/api/invoices/{id:\\d+}")]
pub(crate) async fn delete_invoice(
    state: web::Data<AppState>,
    staff: Staff<EditInvoices>,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    update::cancel(&state, staff.organization(), staff.who(), *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize)]
struct PaperQuery {
    /// fa, fr or en; the patient's language when absent.
    language: Option<Language>,
    /// `false` leaves the keys box out, for the clinic's own copy.
    keys: Option<bool>,
}

/// Prints a paid invoice with the keys box (R09, R10).
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), responses((status = 200), (status = 400), (status = 404)))]
#[get("/api/invoices/{id:\\d+}/download_pdf")]
pub(crate) async fn download_invoice_pdf(
    state: web::Data<AppState>,
    staff: Staff<PrintInvoices>,
    id: Path<i64>,
    query: Query<PaperQuery>,
) -> Result<HttpResponse, ApiError> {
    let keys = query.keys.unwrap_or(true);
    let paper = paper::print(
        &state,
        staff.organization(),
        staff.who(),
        *id,
        query.language,
        staff.is_admin(),
        keys,
    )
    .await?;
    Ok(pdf_response(paper))
}

/// As `download_pdf`.
#[utoipa::path(tag = "invoices", params(("id" = i64, Path)), responses((status = 200), (status = 400), (status = 404)))]
#[get("/api/invoices/{id:\\d+}/pdf")]
pub(crate) async fn get_invoice_pdf(
    state: web::Data<AppState>,
    staff: Staff<PrintInvoices>,
    id: Path<i64>,
    query: Query<PaperQuery>,
) -> Result<HttpResponse, ApiError> {
    let keys = query.keys.unwrap_or(true);
    let paper = paper::print(
        &state,
        staff.organization(),
        staff.who(),
        *id,
        query.language,
        staff.is_admin(),
        keys,
    )
    .await?;
    Ok(pdf_response(paper))
}

pub(crate) fn pdf_response(paper: Paper) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header(attachment(&paper.file_name))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(paper.bytes)
}

/// `attachment` with a plain name for old clients and the true one (RFC 6266).
pub(crate) fn attachment(name: &str) -> ContentDisposition {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut parameters = vec![DispositionParam::Filename(plain.clone())];
    if plain != name {
        parameters.push(DispositionParam::FilenameExt(ExtendedValue {
            charset: Charset::Ext("UTF-8".into()),
            language_tag: None,
            value: name.as_bytes().to_vec(),
        }));
    }
    ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters,
    }
}
