//! The handler of the data route.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use service_http::{Allowed, ApiError, Limit};

use super::{PatientData, service};
use crate::{
    AppState,
    grant::{ConsentDoctor, Origin, organization_of},
};

/// The header with the token of the grant.
const TOKEN_HEADER: &str = "X-Patient-Access-Token";

/// The latest summary of the patient who consented.
#[utoipa::path(
    get,
    path = "/crazyminer/patient/data/",
    operation_id = "show_patient_data",
    tag = "patient-access",
    params(("X-Patient-Access-Token" = String, Header, description = "64 letters and digits from the verification")),
    responses(
        (status = 200, body = PatientData),
        (status = 401, description = "`error`: no or no live grant of this doctor; or no valid access token."),
        (status = 403, description = "Doctors only."),
        (status = 404, description = "`error`: the source refused; its status stands at the end."),
        (status = 429), (status = 502, description = "`error`: the source cannot be asked."),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn show_patient_data(
    state: Data<AppState>,
    doctor: Allowed<ConsentDoctor>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = organization_of(&doctor)?;
    let limit = Limit::per_hour(state.limits.reads_per_doctor_per_hour);
    state
        .stack
        .limiter
        .check(&format!("patient-access:read:{}", doctor.sub), limit)
        .await
        .into_result()?;
    let token = request
        .headers()
        .get(TOKEN_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::trim);
    let data = service::show(
        &state,
        (doctor.sub, organization),
        token,
        Origin::of(&request),
    )
    .await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(data))
}
