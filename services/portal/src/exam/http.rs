//! `/api/exams/` (types) and `/api/examinations/`.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use serde::Deserialize;
use serde_json::Value;
use service_http::{ApiError, Json, Path, Query};

use super::{
    ExamTypeResponse,
    dto::{EXAMINATION_STATES, ExamTypeFields, ExaminationFields, ExaminationResponse},
    error::ExamError,
    service,
    store::{self, ExamTypeFilter, ExamTypeValues, ExaminationFilter},
};
use crate::{
    clinic::Clinic,
    patient,
    state::AppState,
    web::{
        Act, Form, ListQuery, Listing, Staff,
        actions::{ReadExamTypes, ReadExaminations, WriteExamTypes, WriteExaminations},
        filter_number, search_words,
    },
};

#[derive(Debug, Deserialize)]
struct ExamTypeQuery {
    #[serde(flatten)]
    list: ListQuery,
    is_active: Option<String>,
    price_min: Option<String>,
    price_max: Option<String>,
}

/// Lists exam types by name.
#[utoipa::path(tag = "exam types", responses((status = 200, body = Listing<ExamTypeResponse>)))]
#[get("/api/exams")]
pub(crate) async fn list_exam_types(
    state: web::Data<AppState>,
    staff: Staff<ReadExamTypes>,
    query: Query<ExamTypeQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<ExamTypeResponse>>, ApiError> {
    let window = query.list.window(None)?;
    let filter = ExamTypeFilter {
        words: search_words(query.list.search.as_deref()),
        is_active: query
            .is_active
            .as_deref()
            .and_then(|text| text.to_ascii_lowercase().parse().ok()),
        price_min: filter_number("price_min", query.price_min.as_deref())?,
        price_max: filter_number("price_max", query.price_max.as_deref())?,
    };
    let mut conn = state.db.get().await?;
    let clinic = Clinic::of(&mut conn, staff.organization(), &state.settings.clinic).await?;
    let count = store::count_exam_types(&mut conn, staff.organization(), &filter).await?;
    let range = window.range(count)?;
    let rows = store::list_exam_types(
        &mut conn,
        staff.organization(),
        &filter,
        query.list.ordering(),
        range,
    )
    .await?;
    let results = rows
        .iter()
        .map(|row| ExamTypeResponse::new(row, clinic.currency))
        .collect();
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Shows one exam type.
#[utoipa::path(tag = "exam types", params(("id" = i64, Path)), responses((status = 200, body = ExamTypeResponse), (status = 404)))]
#[get("/api/exams/{id:\\d+}")]
pub(crate) async fn get_exam_type(
    state: web::Data<AppState>,
    staff: Staff<ReadExamTypes>,
    id: Path<i64>,
) -> Result<web::Json<ExamTypeResponse>, ApiError> {
    let mut conn = state.db.get().await?;
    let clinic = Clinic::of(&mut conn, staff.organization(), &state.settings.clinic).await?;
    let row = store::find_exam_type(&mut conn, staff.organization(), *id)
        .await?
        .ok_or(ExamError::TypeNotFound)?;
    Ok(web::Json(ExamTypeResponse::new(&row, clinic.currency)))
}

/// Adds an exam type.
#[utoipa::path(tag = "exam types", request_body = Object, responses((status = 201, body = ExamTypeResponse), (status = 400)))]
#[post("/api/exams")]
pub(crate) async fn create_exam_type(
    state: web::Data<AppState>,
    staff: Staff<WriteExamTypes>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let response = save_exam_type(&state, &staff, None, body.0).await?;
    Ok(HttpResponse::Created().json(response))
}

/// Replaces an exam type.
#[utoipa::path(tag = "exam types", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = ExamTypeResponse), (status = 404)))]
#[put("/api/exams/{id:\\d+}")]
pub(crate) async fn update_exam_type(
    state: web::Data<AppState>,
    staff: Staff<WriteExamTypes>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<ExamTypeResponse>, ApiError> {
    Ok(web::Json(
        save_exam_type(&state, &staff, Some(*id), body.0).await?,
    ))
}

async fn save_exam_type(
    state: &AppState,
    staff: &Staff<WriteExamTypes>,
    number: Option<i64>,
    body: Value,
) -> Result<ExamTypeResponse, ExamError> {
    let (organization, now) = (staff.organization(), state.now());
    state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let current = match number {
                Some(number) => Some(
                    store::find_exam_type(conn, organization, number)
                        .await?
                        .ok_or(ExamError::TypeNotFound)?,
                ),
                None => None,
            };
            let fields =
                ExamTypeFields::read(body.clone(), clinic.currency).map_err(ExamError::Refused)?;
            let values = ExamTypeValues {
                name: &fields.name,
                description: &fields.description,
                price_amount: fields.price_amount,
                duration_minutes: fields.duration_minutes,
                is_active: fields.is_active,
                updated_at: now,
            };
            let row = match &current {
                Some(current) => store::update_exam_type(conn, current.id, &values).await?,
                None => store::insert_exam_type(conn, organization, &values).await?,
            };
            let action = if current.is_some() {
                "exam_type.updated"
            } else {
                "exam_type.created"
            };
            staff
                .who()
                .record(conn, Act::on(action, "exam_type", &[row.id]), now)
                .await?;
            Ok(ExamTypeResponse::new(&row, clinic.currency))
        })
        .await
}

/// Removes an exam type; lines of invoices keep their text and amounts.
#[utoipa::path(tag = "exam types", params(("id" = i64, Path)), responses((status = 204), (status = 404)))]
#[delete("/api/exams/{id:\\d+}")]
pub(crate) async fn delete_exam_type(
    state: web::Data<AppState>,
    staff: Staff<WriteExamTypes>,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let (organization, number, now) = (staff.organization(), *id, state.now());
    state
        .db
        .transaction(async |conn| {
            let row = store::find_exam_type(conn, organization, number)
                .await?
                .ok_or(ExamError::TypeNotFound)?;
            store::delete_exam_type(conn, row.id).await?;
            staff
                .who()
                .record(
                    conn,
                    Act::on("exam_type.deleted", "exam_type", &[row.id]),
                    now,
                )
                .await?;
            Ok::<_, ExamError>(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize)]
struct ExaminationQuery {
    #[serde(flatten)]
    list: ListQuery,
    patient: Option<String>,
    status: Option<String>,
}

/// Lists the exams registered for patients, newest first.
#[utoipa::path(tag = "examinations", responses((status = 200, body = Listing<ExaminationResponse>)))]
#[get("/api/examinations")]
pub(crate) async fn list_examinations(
    state: web::Data<AppState>,
    staff: Staff<ReadExaminations>,
    query: Query<ExaminationQuery>,
    request: HttpRequest,
) -> Result<web::Json<Listing<ExaminationResponse>>, ApiError> {
    let window = query.list.window(None)?;
    let filter = ExaminationFilter {
        patient: filter_number("patient", query.patient.as_deref())?,
        status: query.status.clone().filter(|status| !status.is_empty()),
        words: search_words(query.list.search.as_deref()),
    };
    let (organization, now) = (staff.organization(), state.now());
    let (count, results) = state
        .db
        .transaction(async |conn| {
            let count = store::count_examinations(conn, organization, &filter).await?;
            let range = window.range(count).map_err(ExamError::Refused)?;
            let rows = store::list_examinations(conn, organization, &filter, range).await?;
            let patient_ids: Vec<_> = rows.iter().map(|row| row.patient_id).collect();
            let type_ids: Vec<_> = rows.iter().filter_map(|row| row.exam_type_id).collect();
            let invoice_ids: Vec<_> = rows.iter().filter_map(|row| row.invoice_id).collect();
            let patients: HashMap<_, _> = patient::find_patients(conn, organization, &patient_ids)
                .await?
                .into_iter()
                .map(|row| (row.id, row))
                .collect();
            let types: HashMap<_, _> = store::find_exam_types(conn, organization, &type_ids)
                .await?
                .into_iter()
                .map(|row| (row.id, row.number))
                .collect();
            let invoices: HashMap<_, _> = store::invoice_numbers(conn, organization, &invoice_ids)
                .await?
                .into_iter()
                .collect();
            staff
                .who()
                .record(
                    conn,
                    Act::on("examinations.listed", "patient", &patient_ids),
                    now,
                )
                .await?;
            let results: Vec<_> = rows
                .iter()
                .filter_map(|row| {
                    let exam_type = row.exam_type_id.and_then(|id| types.get(&id).copied());
                    let invoice = row.invoice_id.and_then(|id| invoices.get(&id).copied());
                    patients
                        .get(&row.patient_id)
                        .map(|patient| ExaminationResponse::new(row, patient, exam_type, invoice))
                })
                .collect();
            Ok::<_, ExamError>((count, results))
        })
        .await?;
    Ok(web::Json(window.listing(
        &request,
        state.public_url(),
        count,
        results,
    )?))
}

/// Registers an exam for a patient (R10, R21).
#[utoipa::path(tag = "examinations", request_body = Object, responses((status = 201, body = ExaminationResponse), (status = 400)))]
#[post("/api/examinations")]
pub(crate) async fn create_examination(
    state: web::Data<AppState>,
    staff: Staff<WriteExaminations>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let fields = ExaminationFields::read(body.0)?;
    let response = service::register(&state, staff.organization(), staff.who(), &fields).await?;
    Ok(HttpResponse::Created().json(response))
}

/// Moves an examination to another state.
#[utoipa::path(tag = "examinations", params(("id" = i64, Path)), request_body = Object, responses((status = 200, body = ExaminationResponse), (status = 404)))]
#[patch("/api/examinations/{id:\\d+}")]
pub(crate) async fn patch_examination(
    state: web::Data<AppState>,
    staff: Staff<WriteExaminations>,
    id: Path<i64>,
    body: Json<Value>,
) -> Result<web::Json<ExaminationResponse>, ApiError> {
    let mut form = Form::new(body.0)?;
    let status = form.choice("status", &EXAMINATION_STATES, None);
    form.finish()?;
    let (organization, number, now) = (staff.organization(), *id, state.now());
    let response = state
        .db
        .transaction(async |conn| {
            let row = store::find_examination(conn, organization, number)
                .await?
                .ok_or(ExamError::NotFound)?;
            let performed_by = staff.who().user().filter(|_| status == "performed");
            let row =
                store::set_examination_status(conn, row.id, status, performed_by, now).await?;
            let patient =
                patient::get_patient_of_any_state(conn, organization, row.patient_id).await?;
            let act = Act::on("examination.updated", "patient", &[patient.id])
                .with(serde_json::json!({"examination_id": row.id, "status": status}));
            staff.who().record(conn, act, now).await?;
            let types =
                store::find_exam_types(conn, organization, row.exam_type_id.as_slice()).await?;
            let invoices =
                store::invoice_numbers(conn, organization, row.invoice_id.as_slice()).await?;
            Ok::<_, ExamError>(ExaminationResponse::new(
                &row,
                &patient,
                types.first().map(|row| row.number),
                invoices.first().map(|(_, number)| *number),
            ))
        })
        .await?;
    Ok(web::Json(response))
}
