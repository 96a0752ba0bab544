//! `/api/patients/access/` (R05, R20).

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, get, post, put, web};
use serde::Deserialize;
use serde_json::Value;
use service_http::{ApiError, Json, Path, Query};

use super::{
    AccessError, AccessKey, AccessResponse,
    service::{self, Generated, opened_key, opened_password},
    store::{self, AccessFilter},
};
use crate::{
    delivery, patient,
    state::AppState,
    web::{Act, Form, ListQuery, Listing, Staff, actions::ManageKeys, search_words},
};

/// Makes or finds the patient's permanent keys and hands them out when they never were.
#[utoipa::path(tag = "access keys", request_body = Object, responses((status = 201, body = AccessResponse), (status = 400), (status = 404)))]
#[post("/api/patients/access/generate")]
pub(crate) async fn generate_access(
    state: web::Data<AppState>,
    staff: Staff<ManageKeys>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut form = Form::new(body.0)?;
    let Some(number) = form.optional_reference("patient_id") else {
        form.finish().map_err(|_| AccessError::PatientNotFound)?;
        return Err(AccessError::PatientRequired.into());
    };
    let resend = form.boolean("resend", false);
    form.finish()?;
    let generated =
        service::generate(&state, staff.organization(), staff.who(), number, resend).await?;
    let show = generated.created || staff.is_admin();
    let response = respond(&state, &staff, &generated, show).await?;
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(response))
}

async fn respond(
    state: &AppState,
    staff: &Staff<ManageKeys>,
    generated: &Generated,
    show: bool,
) -> Result<AccessResponse, ApiError> {
    let (access, now) = (&generated.access, state.now());
    let sent = state
        .db
        .transaction(async |conn| {
            if show {
                let act = Act::on("access.password_shown", "patient", &[access.patient_id]);
                staff.who().record(conn, act, now).await?;
            }
            Ok::<_, AccessError>(delivery::sent_channels(conn, &[access.id]).await?)
        })
        .await?;
    let password = show
        .then(|| opened_password(state, access))
        .transpose()?
        .map(|text| text.to_string());
    let channels = sent.get(&access.id).copied().unwrap_or_default();
    Ok(AccessResponse::new(
        access,
        &generated.patient,
        opened_key(state, access)?.to_string(),
        password,
        channels,
    ))
}

#[derive(Debug, Deserialize)]
struct AccessQuery {
    #[serde(flatten)]
    list: ListQuery,
    is_active: Option<String>,
}

/// Lists key sets; passwords are never in a list.
#[utoipa::path(tag = "access keys", responses((status = 200, body = Listing<AccessResponse>)))]
#[get("/api/patients/access")]
pub(crate) async fn list_accesses(
    state: web::Data<AppState>,
    staff: Staff<ManageKeys>,
    query: Query<AccessQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<AccessResponse>>, ApiError> {
    let window = query.list.window(None)?;
    let search = query.list.search.as_deref().unwrap_or_default();
    let secret = state.settings.keys.lookup_secret.expose().as_bytes();
    let filter = AccessFilter {
        words: search_words(Some(search)),
        lookup: (!search.trim().is_empty()).then(|| AccessKey::typed(search).lookup(secret)),
        is_active: query
            .is_active
            .as_deref()
            .and_then(|text| text.parse().ok()),
    };
    let (organization, now) = (staff.organization(), state.now());
    let (count, rows, patients, sent) = state
        .db
        .transaction(async |conn| {
            let count = store::count_accesses(conn, organization, &filter).await?;
            let range = window.range(count).map_err(AccessError::Refused)?;
            let rows = store::list_accesses(conn, organization, &filter, range).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let patient_ids: Vec<_> = rows.iter().map(|row| row.patient_id).collect();
            let patients = patient::find_patients(conn, organization, &patient_ids).await?;
            let sent = delivery::sent_channels(conn, &ids).await?;
            staff
                .who()
                .record(
                    conn,
                    Act::on("accesses.listed", "patient", &patient_ids),
                    now,
                )
                .await?;
            Ok::<_, AccessError>((count, rows, patients, sent))
        })
        .await?;
    let patients: HashMap<_, _> = patients.into_iter().map(|row| (row.id, row)).collect();
    let mut results = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(patient) = patients.get(&row.patient_id) {
            let channels = sent.get(&row.id).copied().unwrap_or_default();
            results.push(AccessResponse::new(
                row,
                patient,
                opened_key(&state, row)?.to_string(),
                None,
                channels,
            ));
        }
    }
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Shows one key set; its password only to holders of `keys.reprint`.
#[utoipa::path(tag = "access keys", params(("id" = i64, Path)), responses((status = 200, body = AccessResponse), (status = 404)))]
#[get("/api/patients/access/{id:\\d+}")]
pub(crate) async fn get_access(
    state: web::Data<AppState>,
    staff: Staff<ManageKeys>,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let found = service::set_active(&state, staff.organization(), staff.who(), *id, None).await?;
    let response = respond(&state, &staff, &found, staff.is_admin()).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(response))
}

/// Switches a key set on or off.
#[utoipa::path(tag = "access keys", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = AccessResponse), (status = 404)))]
#[put("/api/patients/access/{id:\\d+}")]
pub(crate) async fn update_access(
    state: web::Data<AppState>,
    staff: Staff<ManageKeys>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut form = Form::new(body.0)?;
    let active = form
        .has("is_active")
        .then(|| form.boolean("is_active", true));
    form.finish()?;
    let changed =
        service::set_active(&state, staff.organization(), staff.who(), *id, active).await?;
    let response = respond(&state, &staff, &changed, false).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(response))
}
