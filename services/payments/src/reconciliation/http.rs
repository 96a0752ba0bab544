//! `/crazyminer/reconciliation/{date}/` and `/api/v1/reconciliation/**`.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use chrono::NaiveDate;
use common_types::{AccessClaims, Page};
use service_http::{
    Allowed, ApiError, ClientIp, Json, Limit, MoneyStaff, PageQuery, Path, Query, paginate, text,
};
use uuid::Uuid;

use super::{
    ReconciliationError,
    dto::{DayResponse, ExceptionResponse, ExceptionsQuery, ResolveRequest, RunResponse},
    resolve::{self, Action},
    run,
    store::{self, ExceptionFilter, Reach},
};
use crate::{
    AppState,
    payment::{Origin, own_organization, to_the_end},
    refund::http::{GiveBack, reason},
};

/// Differences shown with a day.
const SHOWN: i64 = 100;

fn reach(claims: &AccessClaims) -> Result<Reach, ApiError> {
    match claims.superuser {
        true => Ok(None),
        false => own_organization(claims).map(Some),
    }
}

/// A day's reconciliation: who was compared, and what differs.
#[utoipa::path(get, path = "/api/v1/reconciliation/{date}/", params(("date" = String, Path, description = "YYYY-MM-DD, UTC")),
    responses((status = 200, body = DayResponse), (status = 403, description = "Not an accountant or admin")))]
pub(crate) async fn show_reconciliation(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    date: Path<NaiveDate>,
) -> Result<HttpResponse, ApiError> {
    let reach = reach(&caller)?;
    let filter = ExceptionFilter {
        day: Some(*date),
        ..ExceptionFilter::default()
    };
    let mut conn = state.stack.db.get().await?;
    let runs = store::list_runs(&mut conn, *date).await?;
    let (_, exceptions) = store::list_exceptions(&mut conn, reach, &filter, (0, SHOWN)).await?;
    let any = |outcome: &str| runs.iter().any(|run| run.outcome == outcome);
    let outcome = if exceptions.iter().any(|row| row.status == "open") {
        "exceptions"
    } else if any("unanswered") {
        "unanswered"
    } else if runs.is_empty() {
        "none"
    } else {
        "clean"
    };
    Ok(HttpResponse::Ok().json(DayResponse {
        date: *date,
        outcome,
        runs: runs.into_iter().map(RunResponse::from).collect(),
        exceptions: exceptions
            .into_iter()
            .map(ExceptionResponse::from)
            .collect(),
    }))
}

/// Compares a day now, with every provider and our own books.
#[utoipa::path(post, path = "/api/v1/reconciliation/{date}/run/", params(("date" = String, Path, description = "YYYY-MM-DD, UTC")),
    responses((status = 200, body = DayResponse), (status = 429, description = "Too often")))]
pub(crate) async fn run_reconciliation(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    date: Path<NaiveDate>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let limit = Limit::per_minute(6);
    state
        .stack
        .limiter
        .check(&format!("payments:reconcile:{organization}"), limit)
        .await
        .into_result()?;
    let (work, day) = (state.get_ref().clone(), *date);
    let looked = to_the_end(async move {
        for slug in run::used(&work).await? {
            run::reconcile_provider(&work, slug, day).await?;
        }
        run::reconcile_books(&work, false).await.map(drop)
    });
    looked
        .await
        .map_err(|error: ReconciliationError| ApiError::from(error))?;
    show_reconciliation(state, caller, date).await
}

/// The queue of differences, newest first.
#[utoipa::path(get, path = "/api/v1/reconciliation/exceptions/",
    params(("day" = Option<String>, Query), ("status" = Option<String>, Query, description = "open or resolved"), ("kind" = Option<String>, Query),
        ("provider" = Option<String>, Query), ("payment_id" = Option<Uuid>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ExceptionResponse>)))]
pub(crate) async fn list_exceptions(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    page: Query<PageQuery>,
    query: Query<ExceptionsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reach = reach(&caller)?;
    let filter = ExceptionFilter {
        day: query.day,
        status: query.status.clone(),
        kind: query.kind.clone(),
        provider: query.provider.clone(),
        payment_id: query.payment_id,
    };
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, rows) = store::list_exceptions(&mut conn, reach, &filter, range).await?;
    let rows: Vec<ExceptionResponse> = rows.into_iter().map(ExceptionResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, rows)?))
}

/// Resolves a difference with a reason.
#[utoipa::path(post, path = "/api/v1/reconciliation/exceptions/{id}/resolve/", params(("id" = Uuid, Path)), request_body = ResolveRequest,
    responses((status = 200, body = ExceptionResponse), (status = 404, description = "Not within reach"),
        (status = 409, description = "Resolved already, or still there"), (status = 422, description = "The action does not fit")))]
pub(crate) async fn resolve_exception(
    state: Data<AppState>,
    caller: Allowed<GiveBack>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<ResolveRequest>,
) -> Result<HttpResponse, ApiError> {
    let (reach, organization) = (reach(&caller)?, own_organization(&caller)?);
    let action = Action::parse(&body.action)
        .ok_or_else(|| ApiError::invalid().field("action", text::not_a_choice(&body.action)))?;
    let why = reason(&body.reason)?;
    let (state, id, by, origin) = (state.get_ref().clone(), *id, caller.sub, Origin::here(ip.0));
    let resolved = to_the_end(async move {
        let what = (reach, organization, id);
        resolve::resolve(&state, what, (action, &why, by), &origin).await
    });
    let resolved = resolved
        .await
        .map_err(|error: ReconciliationError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(ExceptionResponse::from(resolved)))
}
