//! `/api/reports/admin/` for staff.

use std::collections::HashMap;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use chrono::Datelike;
use common_types::Page;
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{ApiError, Json, Path, Query, Stack};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    activate, download,
    dto::{Around, ReportResponse},
    error::ReportError,
    store::{self, ReportFilter, ReportRow},
    ticket::Ticket,
    upload,
};
use crate::{
    access::{self, AccessKey},
    clinic::Clinic,
    invoice, patient,
    state::AppState,
    web::{
        Act, Form, ListQuery, Staff, Who,
        actions::{ReadReports, WriteReports},
        filter_day, filter_number, search_words,
    },
};

fn ticket_secret(state: &AppState) -> &[u8] {
    state.settings.keys.lookup_secret.expose().as_bytes()
}

/// The address of a report that opens without a header; its last segment is the name that the client shows.
fn address<A>(state: &AppState, staff: &Staff<A>, row: &ReportRow) -> String {
    let ticket = Ticket::new(
        row.id,
        row.organization_id,
        staff.sub,
        staff.sid,
        state.now(),
    );
    let name: String = form_urlencoded::byte_serialize(row.file_name.as_bytes())
        .collect::<String>()
        .replace('+', "%20");
    format!(
        "{}/media/reports/{}/{name}",
        state.public_url(),
        ticket.write(ticket_secret(state))
    )
}

async fn respond<A>(
    state: &AppState,
    staff: &Staff<A>,
    conn: &mut diesel_async::AsyncPgConnection,
    rows: &[ReportRow],
) -> Result<Vec<ReportResponse>, ReportError> {
    let organization = staff.organization();
    let access_ids: Vec<Uuid> = rows.iter().map(|row| row.access_id).collect();
    let patient_ids: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    let invoice_ids: Vec<Uuid> = rows.iter().filter_map(|row| row.invoice_id).collect();
    let keys: HashMap<_, _> = access::find_accesses(conn, organization, &access_ids)
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let patients: HashMap<_, _> = patient::find_patients(conn, organization, &patient_ids)
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let bills: HashMap<_, _> = invoice::find_invoices(conn, organization, &invoice_ids)
        .await?
        .into_iter()
        .map(|row| (row.id, row.invoice_number))
        .collect();
    let mut responses = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(key), Some(person)) = (keys.get(&row.access_id), patients.get(&row.patient_id))
        else {
            continue;
        };
        let opened =
            access::opened_key(state, key).map_err(|error| ReportError::Refused(error.into()))?;
        let around = Around {
            access_number: key.number,
            access_key: opened.to_string(),
            patient_number: person.number,
            patient_name: person.full_name(),
            invoice_number: row.invoice_id.and_then(|id| bills.get(&id).cloned()),
            url: address(state, staff, row),
        };
        responses.push(ReportResponse::new(row, around, state.now()));
    }
    Ok(responses)
}

#[derive(Debug, Deserialize)]
struct ReportQuery {
    #[serde(flatten)]
    list: ListQuery,
    patient_id: Option<String>,
    is_active: Option<String>,
    date_from: Option<String>,
    date_to: Option<String>,
}

/// Lists reports, newest first.
#[utoipa::path(tag = "reports", responses((status = 200, body = Page<ReportResponse>)))]
#[get("/api/reports/admin")]
pub(crate) async fn list_reports(
    state: web::Data<AppState>,
    staff: Staff<ReadReports>,
    query: Query<ReportQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let window = query.list.window(Some(1_000))?;
    let filter = ReportFilter {
        patient: filter_number("patient_id", query.patient_id.as_deref())?,
        is_active: query
            .is_active
            .as_deref()
            .and_then(|text| text.to_ascii_lowercase().parse().ok()),
        date_from: filter_day("date_from", query.date_from.as_deref())?,
        date_to: filter_day("date_to", query.date_to.as_deref())?,
        words: search_words(query.list.search.as_deref()),
    };
    let (organization, now) = (staff.organization(), state.now());
    let (count, results) = state
        .db
        .transaction(async |conn| {
            let count = store::count_reports(conn, organization, &filter).await?;
            let range = window.range(count).map_err(ReportError::Refused)?;
            let rows = store::list_reports(conn, organization, &filter, range).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            staff
                .who()
                .record(conn, Act::on("reports.listed", "report", &ids), now)
                .await?;
            Ok::<_, ReportError>((count, respond(&state, &staff, conn, &rows).await?))
        })
        .await?;
    let listing = window.listing(&request, state.public_url(), count, results)?;
    let page = Page {
        count,
        next: listing.next,
        previous: listing.previous,
        results: listing.results,
    };
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(page))
}

/// Uploads a report (multipart: `patient_access`, `report_file`) and activates it when its keys match a paid invoice (R10).
#[utoipa::path(tag = "reports", responses((status = 201, body = ReportResponse), (status = 400)))]
#[post("/api/reports/admin")]
pub(crate) async fn upload_report(
    state: web::Data<AppState>,
    staff: Staff<WriteReports>,
    form: Multipart,
) -> Result<HttpResponse, ApiError> {
    let row = upload::upload(&state, staff.organization(), staff.who(), form).await?;
    let mut conn = state.db.get().await?;
    let response = respond(&state, &staff, &mut conn, std::slice::from_ref(&row)).await?;
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(response.first()))
}

/// Opens or closes a report; opening without a matching invoice needs `override_reason`.
#[utoipa::path(tag = "reports", params(("id" = Uuid, Path)), request_body = Object, responses((status = 200), (status = 404), (status = 422)))]
#[post("/api/reports/admin/{id}/toggle_active")]
pub(crate) async fn toggle_report(
    state: web::Data<AppState>,
    staff: Staff<WriteReports>,
    id: Path<Uuid>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut form = Form::new(body.0)?;
    let reason = form.optional_text("override_reason", 500);
    form.finish()?;
    let (row, message) = activate::toggle(
        &state,
        staff.organization(),
        staff.who(),
        *id,
        reason.as_deref(),
    )
    .await?;
    Ok(HttpResponse::Ok()
        .json(json!({"status": "success", "is_active": row.is_active, "message": message})))
}

/// Whether a report's keys match a paid invoice (R08).
#[utoipa::path(tag = "reports", params(("id" = Uuid, Path)), responses((status = 200), (status = 404)))]
#[get("/api/reports/admin/{id}/validate")]
pub(crate) async fn validate_report(
    state: web::Data<AppState>,
    staff: Staff<ReadReports>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let (organization, id, now) = (staff.organization(), *id, state.now());
    let matched = state
        .db
        .transaction(async |conn| {
            let row = store::find_report(conn, organization, id)
                .await?
                .ok_or(ReportError::NotFound)?;
            staff
                .who()
                .record(conn, Act::on("report.validated", "report", &[row.id]), now)
                .await?;
            Ok::<_, ReportError>(activate::validate_invoice_key_match(conn, &row).await?)
        })
        .await?;
    Ok(
        HttpResponse::Ok()
            .json(json!({"valid": matched.0.is_some(), "message": matched.message()})),
    )
}

/// Takes a report away; its file stays sealed.
#[utoipa::path(tag = "reports", params(("id" = Uuid, Path)), responses((status = 204), (status = 404)))]
#[delete("/api/reports/admin/{id}")]
pub(crate) async fn delete_report(
    state: web::Data<AppState>,
    staff: Staff<WriteReports>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let (organization, id, now) = (staff.organization(), *id, state.now());
    state
        .db
        .transaction(async |conn| {
            let row = store::lock_report(conn, organization, id)
                .await?
                .ok_or(ReportError::NotFound)?;
            store::hide_report(conn, row.id, now).await?;
            let act = Act::on("report.deleted", "report", &[row.id])
                .with(json!({ "patient_id": row.patient_id }));
            staff.who().record(conn, act, now).await?;
            Ok::<_, ReportError>(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a key set opens, for the desk.
#[utoipa::path(tag = "reports", request_body = Object, responses((status = 200), (status = 400), (status = 404)))]
#[post("/api/reports/admin/validate-keys")]
pub(crate) async fn validate_keys(
    state: web::Data<AppState>,
    staff: Staff<ReadReports>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut form = Form::new(body.0)?;
    let key = AccessKey::typed(&form.text("access_key", 40));
    form.finish()?;
    let lookup = key.lookup(ticket_secret(&state));
    let (organization, now) = (staff.organization(), state.now());
    let found = state
        .db
        .transaction(async |conn| {
            let Some(row) = access::find_access_by_lookup(conn, &lookup)
                .await?
                .filter(|row| row.organization_id == organization)
            else {
                return Ok(None);
            };
            let person =
                patient::get_patient_of_any_state(conn, organization, row.patient_id).await?;
            let counts = store::count_for_access(conn, organization, row.id).await?;
            staff
                .who()
                .record(
                    conn,
                    Act::on("access.validated", "patient", &[person.id]),
                    now,
                )
                .await?;
            Ok::<_, ReportError>(Some((row, person, counts)))
        })
        .await?;
    let Some((row, person, (all, active))) = found else {
        let text = "Clé d'accès introuvable";
        return Err(ApiError::not_found("access.not_found", text)
            .contract(json!({"success": false, "message": text})));
    };
    let message = if row.is_active {
        "Clés valides"
    } else {
        "Accès désactivé"
    };
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "message": message,
        "patient_name": person.full_name(),
        "access_key": key.expose(),
        "is_valid": row.is_active,
        "is_permanent": true,
        "reports_count": all,
        "active_reports_count": active,
    })))
}

/// Counts of reports.
#[utoipa::path(tag = "reports", responses((status = 200)))]
#[get("/api/reports/admin/stats")]
pub(crate) async fn report_stats(
    state: web::Data<AppState>,
    staff: Staff<ReadReports>,
) -> Result<HttpResponse, ApiError> {
    let organization = staff.organization();
    let mut conn = state.db.get().await?;
    let clinic = Clinic::of(&mut conn, organization, &state.settings.clinic).await?;
    let month = clinic.local(state.now()).date().with_day(1);
    let count = async |conn: &mut diesel_async::AsyncPgConnection, filter: ReportFilter| {
        store::count_reports(conn, organization, &filter).await
    };
    let total = count(&mut conn, ReportFilter::default()).await?;
    let active = count(
        &mut conn,
        ReportFilter {
            is_active: Some(true),
            ..ReportFilter::default()
        },
    )
    .await?;
    let this_month = count(
        &mut conn,
        ReportFilter {
            date_from: month,
            ..ReportFilter::default()
        },
    )
    .await?;
    let expiring = store::count_expiring(&mut conn, organization, state.now(), 7).await?;
    Ok(HttpResponse::Ok().json(json!({
        "total_reports": total,
        "active_reports": active,
        "inactive_reports": total - active,
        "reports_this_month": this_month,
        "expiring_soon": expiring,
    })))
}

/// Opens a report in a staff member's browser by a ticket of ten minutes; the session must still be alive.
#[utoipa::path(tag = "reports", params(("ticket" = String, Path), ("name" = String, Path)), responses((status = 200), (status = 404)))]
#[get("/media/reports/{ticket}/{name}")]
pub(crate) async fn open_report(
    state: web::Data<AppState>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let ticket =
        Ticket::read(&path.0.0, ticket_secret(&state), now).ok_or(ReportError::NotFound)?;
    Stack::of(&request)?.require_fresh_revocations()?;
    if state
        .verifier
        .revocations()
        .is_revoked(ticket.session, ticket.user, ticket.issued)
    {
        return Err(ReportError::NotFound.into());
    }
    let row = {
        let mut conn = state.db.get().await?;
        store::find_report(&mut conn, ticket.organization, ticket.report)
            .await?
            .ok_or(ReportError::NotFound)?
    };
    let who = Who::ticket(&request, ticket.user, ticket.organization);
    Ok(download::send(&state, &who, &row, &request, true).await?)
}
