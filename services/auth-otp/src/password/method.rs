//! django-chelseru's `PASSWD` method: `/api/register/` and `/api/login/` (A05; wire.md 4.1). Off unless the setting
//! names it; then both routes answer 404.

use actix_web::{HttpResponse, web};
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_auth::passwords::PasswordError;
use service_http::{ApiError, Json, Lang, Text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{check, find, strength};
use crate::login::words::{not_blank, required};
use crate::login::{Challenge, Entered, Entry, enter, limits};
use crate::session::carrier::{Browser, seconds_left};
use crate::session::http::{TokenPair, no_store};
use crate::session::open::Origin;
use crate::session::{Carrier, OpenedBy, SessionKind};
use crate::settings::AuthMethod;
use crate::state::AppState;
use crate::user::{service as users, store};
use crate::validate::Errors;

/// Django's limit of a username, in characters.
const MAX_USERNAME: usize = 150;
/// SimpleJWT's words.
const REFUSED: &str = "No active account found with the given credentials";
/// chelseru's words.
const DIFFERENT: &str = "رمز عبور و تکرار آن یکسان نیستند.";

/// `POST /api/register/`.
#[derive(Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// Letters, digits and `@.+-_`, at most 150; never a phone number.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The same again.
    pub password2: Option<String>,
    /// E-mail; may be empty.
    pub email: Option<String>,
}

/// The account is there.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterResponse {
    /// The username as given.
    pub username: String,
    /// The e-mail as given.
    pub email: String,
}

/// `POST /api/login/`.
#[derive(Deserialize, ToSchema)]
pub struct LoginRequest {
    /// Username in any case, or phone in any spelling.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// `cookie` keeps the refresh token from scripts; our own pages only.
    #[serde(default)]
    pub session: Carrier,
}

/// Makes an account with a password and without a phone.
#[utoipa::path(post, path = "/api/register/", tag = "login", operation_id = "register",
    request_body = RegisterRequest, responses((status = 201, body = RegisterResponse), (status = 400), (status = 404, description = "The method is off"), (status = 429)))]
pub async fn register(
    state: web::Data<AppState>,
    origin: Origin,
    Lang(language): Lang,
    body: Json<RegisterRequest>,
) -> Result<HttpResponse, ApiError> {
    on(&state)?;
    limits::trying(&state, origin.ip).await?;
    let body = body.into_inner();
    let mut errors = Errors::new();
    let username = name(body.username, &mut errors);
    let email = errors.email("email", body.email).unwrap_or_default();
    let password = filled("password", body.password, &mut errors);
    let again = filled("password2", body.password2, &mut errors);
    if !password.is_empty() {
        let local = email.split('@').next().unwrap_or_default();
        let problem = strength::problem(&state, &password, &[&username, &email, local]).await?;
        if let Some(problem) = problem {
            errors.add("password", problem);
        } else if !again.is_empty() && password != again {
            errors.add("password", DIFFERENT);
        }
    }
    errors.into_result()?;
    let hash = state.hasher.hash(&password).await.map_err(not_hashed)?;
    let now = state.now();
    let new = store::NewUser {
        id: Uuid::now_v7(),
        phone: None,
        username: Some(username.clone()),
        password_hash: Some(hash),
        full_name: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        language: language.as_str().to_owned(),
        is_superuser: false,
        created_at: now,
        updated_at: now,
    };
    let made = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<bool, ApiError> {
                let Some(user) = users::register(conn, &new, now).await? else {
                    return Ok(false);
                };
                if !email.is_empty() {
                    store::update_email(conn, user.id, &email).await?;
                }
                let entry = AuditEntry::new(user.id, ActorKind::User, "auth.registered", now)
                    .subject("user", user.id)
                    .origin(Some(origin.ip), service_telemetry::current_request_id())
                    .details(json!({"by": "password"}));
                service_audit::record(conn, entry).await?;
                Ok(true)
            },
        )
        .await?;
    if !made {
        return Err(ApiError::invalid().field(
            "username",
            Text::Literal("A user with that username already exists.".to_owned()),
        ));
    }
    state.stack.outbox.wake();
    Ok(HttpResponse::Created().json(RegisterResponse { username, email }))
}

/// Logs in by password. Unknown name, wrong password, closed and resting accounts answer alike.
#[utoipa::path(post, path = "/api/login/", tag = "login", operation_id = "login",
    request_body = LoginRequest, responses((status = 200, body = TokenPair), (status = 400), (status = 401),
        (status = 403, description = "`auth.second_factor_required`: `challenge`"), (status = 404, description = "The method is off"), (status = 429)))]
pub async fn login(
    state: web::Data<AppState>,
    origin: Origin,
    browser: Browser,
    body: Json<LoginRequest>,
) -> Result<HttpResponse, ApiError> {
    on(&state)?;
    let body = body.into_inner();
    browser.check(body.session)?;
    let mut errors = Errors::new();
    let username = filled("username", body.username, &mut errors);
    let password = filled("password", body.password, &mut errors);
    errors.into_result()?;
    limits::trying(&state, origin.ip).await?;
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let found = find(&mut conn, username.trim()).await?;
    drop(conn);
    let Some(user) = check(&state, found, &password, &origin, now).await? else {
        return Err(ApiError::unauthorized("auth.password_wrong", REFUSED)
            .contract(json!({"detail": REFUSED})));
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let entry = Entry {
        user: &user,
        kind: SessionKind::Rotating,
        carrier: body.session,
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
    match entered {
        Entered::Open(opened) => {
            let left = seconds_left(now, opened.expires_at);
            let (refresh, cookie) = body.session.part(opened.refresh, left);
            let mut response = no_store();
            if let Some(cookie) = cookie {
                response.cookie(cookie);
            }
            Ok(response.json(TokenPair {
                access: opened.access,
                refresh,
            }))
        }
        Entered::SecondFactor(challenge) => {
            let words = Challenge::words();
            Err(challenge.refusal(json!({"detail": words.in_language(Language::En)})))
        }
    }
}

fn on(state: &AppState) -> Result<(), ApiError> {
    if state.settings.password.auth_method == AuthMethod::Passwd {
        return Ok(());
    }
    Err(ApiError::not_found(
        "auth.password_method_off",
        Text::i18n(
            "ورود با گذرواژه در اینجا روشن نیست.",
            "La connexion par mot de passe n'est pas activée ici.",
            "Login by password is not turned on here.",
        ),
    ))
}

/// Passwords are taken as they are: no trimming.
fn filled(field: &str, value: Option<String>, errors: &mut Errors) -> String {
    match value {
        None => errors.add(field, required()),
        Some(text) if text.trim().is_empty() => errors.add(field, not_blank()),
        Some(text) => return text,
    }
    String::new()
}

/// Django's rule; and no phone number, whose owner logs in by that very text.
fn name(value: Option<String>, errors: &mut Errors) -> String {
    let name = filled("username", value, errors).trim().to_owned();
    if name.is_empty() {
        return name;
    }
    if name.chars().count() > MAX_USERNAME {
        errors.add(
            "username",
            "Ensure this field has no more than 150 characters.",
        );
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '@' | '.' | '+' | '-' | '_');
    if !name.chars().all(allowed) || PhoneNumber::parse(&name).is_ok() {
        errors.add(
            "username",
            "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.",
        );
    }
    name
}

pub(super) fn not_hashed(error: PasswordError) -> ApiError {
    ApiError::internal(anyhow::Error::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_no_username() {
        for (text, right) in [
            ("sara", true),
            ("سارا_۱", true),
            ("sara@example.com", true),
            ("09121234567", false),
            ("+989121234567", false),
            ("۰۹۱۲۱۲۳۴۵۶۷", false),
            ("sa ra", false),
            ("sara<b>", false),
        ] {
            let mut errors = Errors::new();
            name(Some(text.to_owned()), &mut errors);
            assert_eq!(errors.into_result().is_ok(), right, "{text}");
        }
    }
}
