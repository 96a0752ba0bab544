//! CIMEF's staff login: username or phone, and password (wire.md 5, 9.6).

use super::{Challenge, Entered, Entry, enter, limits};
use crate::password::{check, find};
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::session::{Carrier, OpenedBy, SessionKind};
use crate::state::AppState;
use crate::user::model::role_word;
use crate::validate::literal;
use actix_web::{HttpResponse, web};
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_http::text::{not_blank, required};
use service_http::{ApiError, Json};
use utoipa::ToSchema;

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
    request_body = StaffLoginRequest, responses((status = 200, body = StaffLoginResponse), (status = 400), (status = 401),
        (status = 403, description = "`auth.second_factor_required`: `challenge`"), (status = 429)))]
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
    let Some(user) = check(&state, found, &password, &origin, now).await? else {
        return Err(ApiError::unauthorized("auth.password_wrong", REFUSED)
            .contract(json!({"detail": REFUSED})));
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let entry = Entry {
        user: &user,
        kind: SessionKind::Stable,
        carrier: Carrier::Body,
        group: 0,
        organization: None,
        verified_phone: None,
        opened_by: OpenedBy::Password,
        origin: &origin,
        known: None,
        details: json!({"by": "password"}),
    };
    let entered = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Entered, ApiError> {
                Ok(enter(conn, &state, &keys, &entry, now).await?)
            },
        )
        .await?;
    state.stack.outbox.wake();
    let opened = match entered {
        Entered::Open(opened) => opened,
        Entered::SecondFactor(challenge) => {
            let words = Challenge::words();
            return Err(challenge.refusal(json!({"detail": words.in_language(Language::Fr)})));
        }
    };
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
