//! Handlers of the request routes.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::Page;
use serde::Deserialize;
use service_http::{Allowed, ApiError, Doctor, Json, Limit, PageQuery, Query, paginate};

use super::{
    AccessRequestCreated, AccessRequestItem, AccessVerified, CreateAccessRequest,
    VerifyAccessRequest, model, request, store, verify,
};
use crate::{
    AppState,
    grant::{ConsentDoctor, Origin, organization_of},
};

/// Asks a patient for consent: sends a one-time code to their phone.
#[utoipa::path(
    post,
    path = "/crazyminer/patient/request/",
    operation_id = "create_access_request",
    tag = "patient-access",
    request_body = CreateAccessRequest,
    responses(
        (status = 201, body = AccessRequestCreated, description = "The patient has a code."),
        (status = 400, description = "`error`: the phone number is missing or invalid."),
        (status = 401), (status = 403, description = "Doctors only."),
        (status = 429, description = "`error`, `Retry-After`: a budget or the cooldown."),
        (status = 500, description = "`error`: no code could be sent."),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn create_request(
    state: Data<AppState>,
    doctor: Allowed<ConsentDoctor>,
    request: HttpRequest,
    body: Json<CreateAccessRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization = organization_of(&doctor)?;
    let made = request::create(
        &state,
        &doctor,
        organization,
        body.patient_phone.as_ref(),
        Origin::of(&request),
    )
    .await?;
    Ok(HttpResponse::Created().json(made))
}

/// Exchanges the code that the patient read out for an access token.
#[utoipa::path(
    post,
    path = "/crazyminer/patient/verify/",
    operation_id = "verify_access_request",
    tag = "patient-access",
    request_body = VerifyAccessRequest,
    responses(
        (status = 200, body = AccessVerified, description = "The patient consented."),
        (status = 400, description = "`error`, `attempts_left`, `status`: wrong or expired code."),
        (status = 401), (status = 403, description = "Doctors only."),
        (status = 404, description = "No pending request of this doctor."),
        (status = 429),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn verify_request(
    state: Data<AppState>,
    doctor: Allowed<ConsentDoctor>,
    request: HttpRequest,
    body: Json<VerifyAccessRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization = organization_of(&doctor)?;
    let limit = Limit::per_minute(state.limits.verifies_per_doctor_per_minute);
    state
        .stack
        .limiter
        .check(&format!("patient-access:verify:{}", doctor.sub), limit)
        .await
        .into_result()?;
    let verified =
        verify::verify(&state, &doctor, organization, &body, Origin::of(&request)).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(verified))
}

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestFilter {
    status: Option<String>,
}

/// Lists the doctor's own requests, newest first.
#[utoipa::path(
    get,
    path = "/crazyminer/patient/requests/",
    operation_id = "list_access_requests",
    tag = "patient-access",
    params(
        ("status" = Option<String>, Query, description = "pending, verified, expired or rejected"),
        ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query),
    ),
    responses((status = 200, body = Page<AccessRequestItem>), (status = 401), (status = 403)),
    security(("access_token" = []))
)]
pub(crate) async fn list_requests(
    state: Data<AppState>,
    doctor: Allowed<Doctor>,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<RequestFilter>,
) -> Result<HttpResponse, ApiError> {
    let organization = organization_of(&doctor)?;
    let mut conn = state.stack.db.get().await?;
    let (total, rows) = store::list_for_doctor(
        &mut conn,
        (doctor.sub, organization),
        filter.status.as_deref(),
        (page.limit(), page.offset()),
    )
    .await?;
    let items: Vec<_> = rows
        .into_iter()
        .map(|row| AccessRequestItem {
            request_id: row.id,
            patient_phone: row.phone_as_given,
            attempts_left: model::attempts_left(row.attempts),
            status: row.status,
            created_at: row.created_at,
            code_expires_at: row.code_expires_at,
            decided_at: row.decided_at,
        })
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}
