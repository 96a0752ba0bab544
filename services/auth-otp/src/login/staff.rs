//! CIMEF's staff login: username or phone, and password (wire.md 5, 9.6).

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_http::text::{not_blank, required};
use service_http::{ApiError, Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::limits;
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::session::{Opened, Opening, SessionKind};
use crate::state::AppState;
use crate::user::model::role_word;
use crate::user::{User, store};
use crate::validate::literal;

const REFUSED: &str = "Aucun compte actif n'a été trouvé avec les identifiants fournis";

/// `POST /api/auth/token/`.
#[derive(Deserialize, ToSchema)]
pub struct StaffLoginRequest {
    /// Username in any case, or phone in any spelling.
    pub username: Option<String>,
    /// The password.
    #[schema(value_type = Option<String>)]
    pub password: Option<String>,
}

/// The user object of CIMEF's login; texts are never null.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffUser {
    /// The user's number.
    pub id: i64,
    /// The handle, or the phone.
    pub username: String,
    /// E-mail.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// `superuser`, `admin`, `doctor`, `secretary` or `accountant`.
    pub role: &'static str,
    /// Department.
    pub department: String,
    /// Always true.
    pub is_active: bool,
    /// Clinic staff.
    pub is_staff: bool,
    /// Platform-wide superuser.
    pub is_superuser: bool,
}

/// Somebody is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffLoginResponse {
    /// The refresh token; stable, 24 hours.
    pub refresh: String,
    /// The access token.
    pub access: String,
    /// Who.
    pub user: StaffUser,
}

/// Logs staff in by password. Unknown name, wrong password, closed account and a resting account answer alike.
#[utoipa::path(post, path = "/api/auth/token/", tag = "login", operation_id = "create_staff_token",
    request_body = StaffLoginRequest, responses((status = 200, body = StaffLoginResponse), (status = 400), (status = 401), (status = 429)))]
pub async fn create_staff_token(
    state: web::Data<AppState>,
    origin: Origin,
    body: Json<StaffLoginRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let (name, password) = fields(body)?;
    limits::trying(&state, origin.ip).await?;
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let found = find(&mut conn, &name).await?;
    drop(conn);
    let Some(user) = check(&state, found, &password, now).await? else {
        return Err(ApiError::unauthorized("auth.password_wrong", REFUSED)
            .contract(json!({"detail": REFUSED})));
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let opened = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Opened, ApiError> {
                let opening = Opening {
                    user: &user,
                    kind: SessionKind::Stable,
                    group: 0,
                    origin: &origin,
                };
                let opened = crate::session::open(conn, &state, &keys, &opening, now).await?;
                let entry = AuditEntry::new(user.id, ActorKind::User, "auth.logged_in", now)
                    .subject("user", user.id)
                    .organization(
                        opened
                            .standing
                            .as_ref()
                            .map(|standing| standing.organization_id),
                    )
                    .origin(Some(origin.ip), service_telemetry::current_request_id())
                    .details(json!({"by": "password"}));
                service_audit::record(conn, entry).await?;
                Ok(opened)
            },
        )
        .await?;
    let standing = opened.standing.as_ref();
    let staff = StaffUser {
        id: user.number,
        username: user
            .username
            .clone()
            .or_else(|| user.phone.as_ref().map(PhoneNumber::national))
            .unwrap_or_default(),
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        role: role_word(&user, standing),
        department: user.department.clone(),
        is_active: true,
        is_staff: user.is_superuser
            || standing.is_some_and(|standing| standing.clinic_role.is_some()),
        is_superuser: user.is_superuser,
    };
    Ok(no_store().json(StaffLoginResponse {
        refresh: opened.refresh,
        access: opened.access,
        user: staff,
    }))
}

fn fields(body: StaffLoginRequest) -> Result<(String, String), ApiError> {
    let mut error = ApiError::invalid();
    let mut bad = false;
    let mut take = |name: &str, value: Option<String>| {
        let message = match value.as_deref() {
            None => literal(&required(), Language::Fr),
            Some(text) if text.trim().is_empty() => literal(&not_blank(), Language::Fr),
            Some(_) => return value.unwrap_or_default(),
        };
        let previous = std::mem::replace(&mut error, ApiError::invalid());
        error = previous.field(name, message);
        bad = true;
        String::new()
    };
    let (name, password) = (
        take("username", body.username),
        take("password", body.password),
    );
    if bad {
        Err(error)
    } else {
        Ok((name.trim().to_owned(), password))
    }
}

async fn find(conn: &mut AsyncPgConnection, name: &str) -> Result<Option<User>, ApiError> {
    if let Some(user) = store::find_user_by_username(conn, name).await? {
        return Ok(Some(user));
    }
    match PhoneNumber::parse(name) {
        Ok(phone) => Ok(store::find_user_by_phone(conn, phone.e164()).await?),
        Err(_) => Ok(None),
    }
}

/// One argon2id run, one update and one audit row whatever was found, so that time tells nothing (Q-A3). A wrong
/// password counts on the account; a resting account is refused without telling.
async fn check(
    state: &AppState,
    found: Option<User>,
    password: &str,
    now: DateTime<Utc>,
) -> Result<Option<User>, ApiError> {
    let hash = found.as_ref().and_then(|user| user.password_hash.clone());
    let right = match &hash {
        Some(hash) => state
            .hasher
            .verify(password, hash)
            .await
            .map_err(anyhow::Error::from)?,
        None => state.hasher.dummy_verify(password).await,
    };
    let id = found.as_ref().map_or(Uuid::nil(), |user| user.id);
    let budgets = &state.settings.budgets;
    let may_enter = |user: &User| {
        let resting = user.password_failures >= budgets.failure_ceiling
            && user
                .password_failed_at
                .is_some_and(|at| now < at + TimeDelta::seconds(budgets.rest_seconds));
        user.is_active && !resting
    };
    if let Some(user) = found.filter(|user| right && may_enter(user)) {
        if hash
            .as_deref()
            .is_some_and(service_auth::Hasher::needs_rehash)
        {
            let fresh = state
                .hasher
                .hash(password)
                .await
                .map_err(anyhow::Error::from)?;
            let mut conn = state.stack.db.get().await?;
            store::update_password(&mut conn, user.id, &fresh, now).await?;
        }
        return Ok(Some(user));
    }
    let mut conn = state.stack.db.get().await?;
    store::add_password_failure(&mut conn, id, now).await?;
    let entry = AuditEntry::new("", ActorKind::Anonymous, "auth.logged_in", now)
        .subject("user", id)
        .outcome(Outcome::Denied)
        .origin(None, service_telemetry::current_request_id())
        .details(json!({"by": "password"}));
    service_audit::record(&mut conn, entry).await?;
    Ok(None)
}
