//! Handlers of the grant routes.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{AccessClaims, ClinicRole, Page, PhoneNumber};
use serde::Deserialize;
use serde_json::Value;
use service_audit::ActorKind;
use service_http::{
    ApiError, Caller, Json, PageQuery, Path, Query, SensitiveCaller, ServiceCaller, paginate,
};
use uuid::Uuid;

use super::{
    GrantError, GrantItem, GrantRevoked, GrantRow, Origin, RevokeForPatientRequest,
    RevokeGrantRequest,
    revoke::{Revoker, revoke},
    store::{self, Holder},
};
use crate::{AppState, person};

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct GrantFilter {
    /// `doctor` or `patient`: in which quality the caller asks.
    role: Option<String>,
    /// True: only those that are live.
    active: Option<bool>,
}

/// Lists grants, newest first: a doctor's own; anyone else's those on their own phone. A doctor
/// who is also a patient asks with `role=patient`.
#[utoipa::path(
    get,
    path = "/crazyminer/patient/grants/",
    operation_id = "list_grants",
    tag = "patient-access",
    params(
        ("role" = Option<String>, Query, description = "doctor or patient"),
        ("active" = Option<bool>, Query, description = "only live ones"),
        ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query),
    ),
    responses((status = 200, body = Page<GrantItem>), (status = 401), (status = 403)),
    security(("access_token" = []))
)]
pub(crate) async fn list_grants(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<GrantFilter>,
) -> Result<HttpResponse, ApiError> {
    let holder = holder(&state, &caller, filter.role.as_deref()).await?;
    answer_page(
        &state,
        &request,
        &page,
        &holder,
        filter.active.unwrap_or(false),
    )
    .await
}

async fn holder(
    state: &AppState,
    claims: &AccessClaims,
    role: Option<&str>,
) -> Result<Holder, GrantError> {
    let doctor = claims
        .org
        .filter(|_| claims.clinic_role == Some(ClinicRole::Doctor));
    match (role, doctor) {
        (None | Some("doctor"), Some(organization)) => Ok(Holder::Doctor(claims.sub, organization)),
        (Some("doctor"), None) => Err(GrantError::NoPhone),
        _ => {
            let person = person::of_id(state, claims.sub)
                .await
                .map_err(GrantError::Unexpected)?;
            let phone = person
                .filter(|person| person.is_active)
                .and_then(|person| person.phone);
            phone.map(Holder::Patient).ok_or(GrantError::NoPhone)
        }
    }
}

async fn answer_page(
    state: &AppState,
    request: &HttpRequest,
    page: &PageQuery,
    holder: &Holder,
    live_only: bool,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let now = state.database_time(&mut conn).await?;
    let live_at = live_only.then_some(now);
    let (total, rows) =
        store::list_grants(&mut conn, holder, live_at, (page.limit(), page.offset())).await?;
    let items: Vec<_> = rows
        .into_iter()
        .map(|row| GrantItem::at(row, now))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(request, page, total, items)?))
}

/// Ends a grant at once: the patient's right, also the doctor's own and the clinic admin's.
#[utoipa::path(
    post,
    path = "/crazyminer/patient/revoke/",
    operation_id = "revoke_grant",
    tag = "patient-access",
    request_body = RevokeGrantRequest,
    responses(
        (status = 200, body = GrantRevoked), (status = 400), (status = 401),
        (status = 404, description = "No such grant of theirs."),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn revoke_grant(
    state: Data<AppState>,
    caller: SensitiveCaller,
    request: HttpRequest,
    body: Json<RevokeGrantRequest>,
) -> Result<HttpResponse, ApiError> {
    let id = match &body.grant_id {
        Some(Value::String(text)) => {
            Uuid::parse_str(text.trim()).map_err(|_| GrantError::Unknown)?
        }
        _ => return Err(GrantError::IdMissing.into()),
    };
    let revoker = Revoker::of_caller(&state, &caller).await?;
    let row = revoke(&state, id, &revoker, &Origin::of(&request)).await?;
    Ok(HttpResponse::Ok().json(revoked(&row)))
}

fn revoked(row: &GrantRow) -> GrantRevoked {
    GrantRevoked {
        success: true,
        message: "دسترسی لغو شد",
        grant_id: row.id,
        revoked_at: row.revoked_at,
    }
}

/// Whose grants the portal asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct PhoneFilter {
    phone: PhoneNumber,
}

/// Internal: the grants on a phone number, for the portal.
pub(crate) async fn list_grants_of_phone(
    state: Data<AppState>,
    _service: ServiceCaller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<PhoneFilter>,
) -> Result<HttpResponse, ApiError> {
    let holder = Holder::Patient(filter.phone.e164().to_owned());
    answer_page(&state, &request, &page, &holder, false).await
}

/// Internal: the portal ends a grant for its patient.
pub(crate) async fn revoke_for_patient(
    state: Data<AppState>,
    service: ServiceCaller,
    request: HttpRequest,
    grant: Path<Uuid>,
    body: Json<RevokeForPatientRequest>,
) -> Result<HttpResponse, ApiError> {
    let revoker = Revoker {
        actor: service.sub.clone(),
        actor_kind: ActorKind::Service,
        phone: Some(body.into_inner().phone),
        doctor: None,
        admin_of: None,
    };
    let row = revoke(&state, grant.into_inner(), &revoker, &Origin::of(&request)).await?;
    Ok(HttpResponse::Ok().json(revoked(&row)))
}
