//! `/api/patients/`.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use serde::Deserialize;
use serde_json::Value;
use service_http::{ApiError, Json, Path, Query};

use super::{
    PatientError, PatientResponse,
    dto::PatientFields,
    service,
    store::{self, PatientFilter},
};
use crate::{
    state::AppState,
    web::{
        Act, ListQuery, Listing, Staff,
        actions::{DeletePatients, ReadPatients, WritePatients},
        filter_day, filter_number, search_words, words,
    },
};

#[derive(Debug, Deserialize)]
struct PatientQuery {
    #[serde(flatten)]
    list: ListQuery,
    gender: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    age_min: Option<String>,
    age_max: Option<String>,
    created_after: Option<String>,
    created_before: Option<String>,
}

fn like(text: Option<&String>) -> Option<String> {
    let words = search_words(text.map(String::as_str));
    (!words.is_empty()).then(|| words.join(" ").replace("% %", "%"))
}

impl PatientQuery {
    fn filter(&self) -> Result<PatientFilter, ApiError> {
        let number = |name: &str, text: &Option<String>| {
            filter_number(name, text.as_deref())
                .map(|value| value.and_then(|value| i32::try_from(value).ok()))
        };
        if let Some(gender) = self
            .gender
            .as_deref()
            .filter(|gender| !matches!(*gender, "" | "M" | "F"))
        {
            return Err(ApiError::invalid().field("gender", words::bad_filter_choice(gender)));
        }
        Ok(PatientFilter {
            words: search_words(self.list.search.as_deref()),
            gender: self.gender.clone().filter(|gender| !gender.is_empty()),
            name: like(self.name.as_ref()),
            phone: like(self.phone.as_ref()),
            age_min: number("age_min", &self.age_min)?,
            age_max: number("age_max", &self.age_max)?,
            created_after: filter_day("created_after", self.created_after.as_deref())?,
            created_before: filter_day("created_before", self.created_before.as_deref())?,
        })
    }
}

/// Lists patients, newest first.
#[utoipa::path(tag = "patients", responses((status = 200, body = Listing<PatientResponse>)))]
#[get("/api/patients")]
pub(crate) async fn list_patients(
    state: web::Data<AppState>,
    staff: Staff<ReadPatients>,
    query: Query<PatientQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<PatientResponse>>, ApiError> {
    let filter = query.filter()?;
    let window = query.list.window(None)?;
    let organization = staff.organization();
    let ordering = query.list.ordering().to_owned();
    let now = state.now();
    let (count, rows) = state
        .db
        .transaction(async |conn| {
            let count = store::count_patients(conn, organization, &filter).await?;
            let range = window.range(count).map_err(PatientError::Refused)?;
            let rows = store::list_patients(conn, organization, &filter, &ordering, range).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            staff
                .who()
                .record(conn, Act::on("patients.listed", "patient", &ids), now)
                .await?;
            Ok::<_, PatientError>((count, rows))
        })
        .await?;
    let results = rows.iter().map(PatientResponse::from).collect();
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Registers a patient (R21).
#[utoipa::path(tag = "patients", request_body = Object, responses((status = 201, body = PatientResponse)))]
#[post("/api/patients")]
pub(crate) async fn create_patient(
    state: web::Data<AppState>,
    staff: Staff<WritePatients>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let fields = PatientFields::read(body.0, None)?;
    let row = service::create(&state, staff.organization(), staff.who(), &fields).await?;
    Ok(HttpResponse::Created().json(PatientResponse::from(&row)))
}

/// Shows one patient.
#[utoipa::path(tag = "patients", params(("id" = i64, Path)), responses((status = 200, body = PatientResponse), (status = 404)))]
#[get("/api/patients/{id:\\d+}")]
pub(crate) async fn get_patient(
    state: web::Data<AppState>,
    staff: Staff<ReadPatients>,
    id: Path<i64>,
) -> Result<web::Json<PatientResponse>, ApiError> {
    let organization = staff.organization();
    let (number, now) = (*id, state.now());
    let row = state
        .db
        .transaction(async |conn| {
            let row = store::find_patient_by_number(conn, organization, number)
                .await?
                .ok_or(PatientError::NotFound)?;
            staff
                .who()
                .record(conn, Act::on("patient.read", "patient", &[row.id]), now)
                .await?;
            Ok::<_, PatientError>(row)
        })
        .await?;
    Ok(web::Json(PatientResponse::from(&row)))
}

/// Replaces a patient's data.
#[utoipa::path(tag = "patients", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = PatientResponse), (status = 404)))]
#[put("/api/patients/{id:\\d+}")]
pub(crate) async fn update_patient(
    state: web::Data<AppState>,
    staff: Staff<WritePatients>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<PatientResponse>, ApiError> {
    let row = service::update(
        &state,
        staff.organization(),
        staff.who(),
        *id,
        body.0,
        false,
    )
    .await?;
    Ok(web::Json(PatientResponse::from(&row)))
}

/// Changes some of a patient's data.
#[utoipa::path(tag = "patients", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = PatientResponse), (status = 404)))]
#[patch("/api/patients/{id:\\d+}")]
pub(crate) async fn patch_patient(
    state: web::Data<AppState>,
    staff: Staff<WritePatients>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<PatientResponse>, ApiError> {
    let row = service::update(&state, staff.organization(), staff.who(), *id, body.0, true).await?;
    Ok(web::Json(PatientResponse::from(&row)))
}

/// Hides a patient; 409 while invoices hang on it.
#[utoipa::path(tag = "patients", params(("id" = i64, Path)), responses((status = 204), (status = 404), (status = 409)))]
#[delete("/api/patients/{id:\\d+}")]
pub(crate) async fn delete_patient(
    state: web::Data<AppState>,
    staff: Staff<DeletePatients>,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    service::delete(&state, staff.organization(), staff.who(), *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
