//! `/api/patients/portal/`, portal's JWKS and revocations.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    get, post, web,
};
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{ApiError, Json, Query, ServiceCaller};

use super::{
    PatientSession, SessionError,
    dto::{AccessInfo, LoginResponse, PatientBrief, ProfileResponse},
    login::{self, DEVICE_COOKIE},
    revocations, store,
};
use crate::{
    access::{self, AccessKey, Password},
    patient,
    report::ReportItem,
    state::AppState,
    web::{Act, Form},
};

fn cookie(state: &AppState, name: &'static str, value: String, age: Duration) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(state.settings.secure_cookies())
        .max_age(age)
        .finish()
}

/// Opens a session with the permanent keys (R03).
///
/// A token in the Authorization header is ignored. The session travels as cookie `tabib_portal` and as `session_token`.
#[utoipa::path(tag = "portal", request_body = Object, responses((status = 200, body = LoginResponse), (status = 400), (status = 401), (status = 429)))]
#[post("/api/patients/portal/login")]
pub(crate) async fn login_patient(
    state: web::Data<AppState>,
    request: HttpRequest,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut form = Form::new(body.0)?;
    // A QR code or a careful hand may put separators in; the contract's 20 and 12 count what is left.
    let key = form.text("access_key", 40);
    let password = form.text("password", 12);
    form.finish()?;
    let (key, password) = (AccessKey::typed(&key), Password::typed(&password));
    let entered = login::login(&state, &request, &key, &password).await?;
    let absolute = i64::from(state.settings.portal.absolute_hours);
    let session = cookie(
        &state,
        service_http::extract::PORTAL_COOKIE,
        entered.token.clone(),
        Duration::hours(absolute),
    );
    let device = cookie(
        &state,
        DEVICE_COOKIE,
        entered.device.clone(),
        Duration::days(365),
    );
    let response = LoginResponse {
        success: true,
        message: "Connexion réussie",
        patient: PatientBrief::from(&entered.patient),
        access_info: AccessInfo::new(
            &entered.access,
            key.expose().to_owned(),
            entered.last_access,
        ),
        files: entered
            .reports
            .iter()
            .map(|row| ReportItem::new(row, state.now()))
            .collect(),
        session_token: entered.token,
        expires_at: entered.expires_at,
    };
    Ok(HttpResponse::Ok()
        .cookie(session)
        .cookie(device)
        .insert_header(("Cache-Control", "no-store"))
        .json(response))
}

/// Ends the session everywhere (R04).
#[utoipa::path(tag = "portal", responses((status = 200), (status = 401)))]
#[post("/api/patients/portal/logout")]
pub(crate) async fn logout_patient(
    state: web::Data<AppState>,
    session: PatientSession,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            store::end_session(conn, session.organization(), session.sid, "logout", now).await?;
            session
                .who()
                .record(
                    conn,
                    Act::on("portal.logout", "patient", &[session.patient()]),
                    now,
                )
                .await?;
            Ok::<_, SessionError>(())
        })
        .await?;
    state.outbox.wake();
    let mut gone = cookie(
        &state,
        service_http::extract::PORTAL_COOKIE,
        String::new(),
        Duration::ZERO,
    );
    gone.make_removal();
    Ok(HttpResponse::Ok()
        .cookie(gone)
        .json(json!({"success": true, "message": "Déconnexion réussie"})))
}

/// The patient's own page (R04).
#[utoipa::path(tag = "portal", responses((status = 200, body = ProfileResponse), (status = 401)))]
#[get("/api/patients/portal/profile")]
pub(crate) async fn get_profile(
    state: web::Data<AppState>,
    session: PatientSession,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let (organization, id) = (session.organization(), session.patient());
    let (row, access) = state
        .db
        .transaction(async |conn| {
            session
                .who()
                .record(conn, Act::on("portal.profile_read", "patient", &[id]), now)
                .await?;
            let row = patient::find_patient(conn, organization, id)
                .await?
                .ok_or(SessionError::Ended)?;
            let access = access::find_access_of_patient(conn, organization, id)
                .await?
                .ok_or(SessionError::Ended)?;
            Ok::<_, SessionError>((row, access))
        })
        .await?;
    let key = access::opened_key(&state, &access)?.to_string();
    let response = ProfileResponse {
        patient: PatientBrief::from(&row),
        access_info: AccessInfo::new(&access, key, access.last_access),
        message: "Vos identifiants sont permanents et réutilisables",
    };
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(response))
}

/// Public halves of portal's signing keys.
#[utoipa::path(tag = "keys", responses((status = 200)))]
#[get("/.well-known/jwks.json")]
pub(crate) async fn get_jwks(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let keys = state.keys.get().await.map_err(SessionError::Unexpected)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=60"))
        .json(keys.jwks()))
}

#[derive(Debug, Deserialize)]
struct Since {
    #[serde(default)]
    since: i64,
}

/// Ended portal sessions after a cursor; services only.
#[utoipa::path(tag = "internal", params(("since" = i64, Query)), responses((status = 200)))]
#[get("/internal/revocations")]
pub(crate) async fn list_revocations(
    state: web::Data<AppState>,
    _caller: ServiceCaller,
    query: Query<Since>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.db.get().await?;
    Ok(HttpResponse::Ok().json(revocations::feed(&mut conn, query.since, state.now()).await?))
}
