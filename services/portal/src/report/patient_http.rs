//! A patient's own reports.

use actix_web::{HttpRequest, HttpResponse, get, web};
use common_types::Page;
use service_http::{ApiError, Path};
use uuid::Uuid;

use super::{ReportItem, download, error::ReportError, store};
use crate::{session::PatientSession, state::AppState, web::Act};

/// My accessible reports, newest first (R06, R18).
#[utoipa::path(tag = "portal", responses((status = 200, body = Page<ReportItem>), (status = 401)))]
#[get("/api/reports/patient")]
pub(crate) async fn list_own_reports(
    state: web::Data<AppState>,
    session: PatientSession,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let rows = state
        .db
        .transaction(async |conn| {
            let rows =
                store::list_for_patient(conn, session.organization(), session.patient(), now)
                    .await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let act = Act::on("reports.listed", "report", &ids)
                .with(serde_json::json!({ "patient_id": session.patient() }));
            session.who().record(conn, act, now).await?;
            Ok::<_, ReportError>(rows)
        })
        .await?;
    let results: Vec<_> = rows.iter().map(|row| ReportItem::new(row, now)).collect();
    let count = i64::try_from(results.len()).unwrap_or(i64::MAX);
    let page = Page {
        count,
        next: None,
        previous: None,
        results,
    };
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(page))
}

async fn send_own(
    state: &AppState,
    session: &PatientSession,
    id: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id: Uuid = id.parse().map_err(|_| ReportError::NotAccessible)?;
    let now = state.now();
    let row = {
        let mut conn = state.db.get().await?;
        store::find_report_for_patient(
            &mut conn,
            session.organization(),
            session.patient(),
            id,
            now,
        )
        .await?
    };
    let Some(row) = row else {
        let refused = Act::on("report.downloaded", "report", &[id]).denied();
        let mut conn = state.db.get().await?;
        session.who().record(&mut conn, refused, now).await?;
        return Err(ReportError::NotAccessible.into());
    };
    Ok(download::send(state, session.who(), &row, request, false).await?)
}

/// Downloads my report; takes `Range` (R06).
#[utoipa::path(tag = "portal", params(("id" = Uuid, Path)), responses((status = 200), (status = 206), (status = 401), (status = 404), (status = 416)))]
#[get("/api/reports/download/{id}")]
pub(crate) async fn download_report(
    state: web::Data<AppState>,
    session: PatientSession,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    send_own(&state, &session, &id, &request).await
}

/// As `download`, under the address that CIMEF's client calls.
#[utoipa::path(tag = "portal", params(("id" = Uuid, Path)), responses((status = 200), (status = 206), (status = 401), (status = 404), (status = 416)))]
#[get("/api/reports/patient-download/{id}")]
pub(crate) async fn patient_download_report(
    state: web::Data<AppState>,
    session: PatientSession,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    send_own(&state, &session, &id, &request).await
}
