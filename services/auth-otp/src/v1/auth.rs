//! `/api/v1/auth/…`: the login of Contexor's pages.

use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_http::text::{not_a_string, not_blank, required};
use service_http::{ApiError, ClientIp, Json, Text};
use utoipa::ToSchema;

use super::envelope;
use crate::code::model::LOGIN_S4;
use crate::code::{self, CodeError, SendCode, Verdict};
use crate::login::contexor::code_text;
use crate::login::words::SmsLanguage;
use crate::login::{CodeLogin, LoginError, limits, log_in};
use crate::session::open::Origin;
use crate::session::token::RefreshToken;
use crate::session::{Carrier, RefreshError, SessionKind, refresh, revocation};
use crate::shield::{Asker, ChallengeAnswer};
use crate::state::AppState;
use crate::unexpected::unexpected;
use crate::user::dto::MeResponse;
use crate::user::http::show_me;

/// `POST /api/v1/auth/otp/request`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct V1OtpRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
}

/// Sends a login code by SMS. The answer is the same for known and unknown phones.
#[utoipa::path(post, path = "/api/v1/auth/otp/request", tag = "contexor pages", operation_id = "v1_request_otp",
    request_body = V1OtpRequest, responses((status = 200, description = "`data.ttl` in seconds"), (status = 400), (status = 429)))]
pub async fn request_otp(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<V1OtpRequest>,
) -> Result<HttpResponse, ApiError> {
    let typed = body.phone_number.as_deref().unwrap_or_default();
    limits::admit(&state, ip, &answer).await?;
    limits::asking(&state, ip, typed).await?;
    let phone = parse_phone(body.phone_number.as_deref())?;
    let wish = SendCode {
        purpose: LOGIN_S4,
        phone: &phone,
        binding: "",
        language,
        variables: std::collections::BTreeMap::new(),
    };
    let asker = Asker {
        ip: Some(ip),
        organization: None,
    };
    let sent = code::send_for(&state, &wish, &asker)
        .await
        .map_err(not_sent)?;
    Ok(envelope::ok(json!({
        "ttl": sent.lifetime_seconds,
        "retry_after": sent.cooldown_seconds,
    })))
}

fn not_sent(error: CodeError) -> ApiError {
    match error {
        CodeError::TooSoon(seconds) | CodeError::Throttled(seconds) => ApiError::new(
            actix_web::http::StatusCode::TOO_MANY_REQUESTS,
            "auth.code_too_soon",
            Text::i18n(
                format!("برای دریافت دوبارهٔ کد {seconds} ثانیه صبر کنید."),
                format!("Attendez {seconds} secondes avant de redemander un code."),
                format!("Please wait {seconds} seconds before requesting another code."),
            ),
        )
        .retry_after(u64::try_from(seconds).unwrap_or(1)),
        CodeError::NeedsProof => needs_proof(),
        CodeError::NotAllowed => ApiError::invalid().field(
            "phone_number",
            Text::i18n(
                "به این شماره کد فرستاده نمی‌شود.",
                "Aucun code ne peut être envoyé à ce numéro.",
                "Codes cannot be sent to this number.",
            ),
        ),
        CodeError::Stopped(seconds) => ApiError::unavailable(
            "auth.codes_stopped",
            Text::i18n(
                "در حال حاضر کدی فرستاده نمی‌شود.",
                "Aucun code n'est envoyé pour le moment.",
                "Codes are not sent at the moment.",
            ),
        )
        .retry_after(u64::try_from(seconds).unwrap_or(1)),
        CodeError::NoCode | CodeError::NotSent => ApiError::bad_gateway(
            "auth.code_not_sent",
            Text::i18n(
                "پیامک فرستاده نشد. دوباره تلاش کنید.",
                "Le SMS n'a pas été envoyé. Réessayez.",
                "The SMS was not sent. Try again.",
            ),
        ),
        CodeError::UnknownPurpose => {
            ApiError::internal(anyhow::anyhow!("no profile for {LOGIN_S4}"))
        }
        CodeError::Unexpected(error) => unexpected(error),
    }
}

/// After too many wrong codes in a row; `/api/auth/otp/reproof/` ends it.
fn needs_proof() -> ApiError {
    ApiError::new(
        actix_web::http::StatusCode::TOO_MANY_REQUESTS,
        "auth.number_needs_proof",
        Text::i18n(
            "کد نادرست زیاد وارد شده است. نخست این شماره را دوباره تایید کنید.",
            "Trop d'essais. Confirmez d'abord ce numéro.",
            "Too many failed attempts. Confirm this number first.",
        ),
    )
}

/// `POST /api/v1/auth/otp/verify`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct V1OtpVerify {
    /// Any spelling.
    pub phone_number: Option<String>,
    /// Six digits of any script, as text or number.
    #[schema(value_type = String)]
    pub code: Option<Value>,
}

/// What a login brings.
#[derive(Debug, Serialize, ToSchema)]
pub struct V1Login {
    /// The access token.
    pub access: String,
    /// The refresh token of a stable session: 24 hours, the same throughout.
    pub refresh: String,
    /// Who.
    pub user: MeResponse,
}

/// Creates or logs in the user of the phone with a stable session; who has no organisation gets a personal one.
#[utoipa::path(post, path = "/api/v1/auth/otp/verify", tag = "contexor pages", operation_id = "v1_verify_otp",
    request_body = V1OtpVerify, responses((status = 200, body = V1Login), (status = 400), (status = 429)))]
pub async fn verify_otp(
    state: web::Data<AppState>,
    origin: Origin,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<V1OtpVerify>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, origin.ip, &answer).await?;
    limits::trying(&state, origin.ip).await?;
    let length = state
        .settings
        .codes
        .profiles
        .get(LOGIN_S4)
        .map_or(6, |profile| profile.length);
    let phone = parse_phone(body.phone_number.as_deref());
    let code = match &body.code {
        None => Err(required()),
        Some(value) => code_text(value, length).ok_or_else(not_a_string),
    };
    let code = code.and_then(|code| {
        if code.is_empty() {
            Err(not_blank())
        } else {
            Ok(code)
        }
    });
    let (phone, code) = match (phone, code) {
        (Ok(phone), Ok(code)) => (phone, code),
        (Err(phone), Ok(_)) => return Err(phone),
        (Ok(_), Err(code)) => return Err(ApiError::invalid().field("code", code)),
        (Err(phone), Err(code)) => return Err(phone.field("code", code)),
    };
    let login = CodeLogin {
        purpose: LOGIN_S4,
        phone: &phone,
        code: &code,
        group: 0,
        language,
        origin: &origin,
        kind: SessionKind::Stable,
        workshop: true,
        carrier: Carrier::Body,
    };
    let logged_in = log_in(&state, &login).await.map_err(refused)?;
    let organization = logged_in
        .opened
        .standing
        .as_ref()
        .map(|standing| standing.organization_id);
    let mut conn = state.stack.db.get().await?;
    let user = show_me(&mut conn, organization, 0, &logged_in.user).await?;
    Ok(envelope::secret(V1Login {
        access: logged_in.opened.access,
        refresh: logged_in.opened.refresh,
        user,
    }))
}

fn refused(error: LoginError) -> ApiError {
    match error {
        LoginError::Code(Verdict::Wrong(left)) => ApiError::bad_request(
            "auth.code_wrong",
            Text::i18n(
                format!("کد نادرست است. {left} تلاش دیگر دارید."),
                format!("Code incorrect. Il vous reste {left} essais."),
                format!("Invalid code. {left} attempts remaining."),
            ),
        ),
        LoginError::Code(Verdict::Burned) => ApiError::bad_request(
            "auth.code_burned",
            Text::i18n(
                "تعداد تلاش‌های نادرست زیاد شد. کد تازه‌ای بگیرید.",
                "Trop d'essais. Demandez un nouveau code.",
                "Too many failed attempts. Ask for a new code.",
            ),
        ),
        LoginError::Code(Verdict::Expired | Verdict::Unknown | Verdict::Right(_)) => {
            ApiError::bad_request(
                "auth.code_unknown",
                Text::i18n(
                    "کد نامعتبر است یا زمان آن گذشته است.",
                    "Code invalide ou expiré.",
                    "Invalid or expired code.",
                ),
            )
        }
        LoginError::SecondFactor(challenge) => challenge.refusal(json!({})),
        LoginError::Inactive => ApiError::bad_request(
            "auth.account_closed",
            Text::i18n(
                "این حساب بسته است.",
                "Ce compte est fermé.",
                "This account is closed.",
            ),
        ),
        LoginError::NeedsProof => needs_proof(),
        LoginError::Throttled(seconds) => ApiError::too_many(u64::try_from(seconds).unwrap_or(1)),
        LoginError::Unexpected(error) => unexpected(error),
    }
}

/// A refresh token.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct V1Refresh {
    /// The refresh token.
    pub refresh: Option<String>,
}

/// A new access token. A stable session keeps its refresh token, which parallel calls may all send.
#[utoipa::path(post, path = "/api/v1/auth/token/refresh", tag = "contexor pages", operation_id = "v1_refresh_token",
    request_body = V1Refresh, responses((status = 200, description = "`data.access`, `data.refresh`"), (status = 401)))]
pub async fn refresh_token(
    state: web::Data<AppState>,
    origin: Origin,
    body: Json<V1Refresh>,
) -> Result<HttpResponse, ApiError> {
    let text = match body.refresh.as_deref() {
        None => return Err(ApiError::invalid().field("refresh", required())),
        Some("") => return Err(ApiError::invalid().field("refresh", not_blank())),
        Some(text) => text,
    };
    let refreshed = refresh(&state, text, Carrier::Body, None, &origin)
        .await
        .map_err(|error| match error {
            RefreshError::Invalid | RefreshError::NotAMember => refresh_invalid(),
            RefreshError::Unexpected(error) => unexpected(error),
        })?;
    state.stack.outbox.wake();
    Ok(envelope::secret(
        json!({"access": refreshed.access, "refresh": refreshed.refresh}),
    ))
}

/// Ends the session of the refresh token. Repeating it does no harm.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "contexor pages", operation_id = "v1_logout",
    request_body = V1Refresh, responses((status = 200), (status = 401)))]
pub async fn logout(
    state: web::Data<AppState>,
    body: Json<V1Refresh>,
) -> Result<HttpResponse, ApiError> {
    let key = state.settings.tokens.refresh_key.expose().as_bytes();
    let text = body.refresh.as_deref().unwrap_or_default();
    let session = RefreshToken::read(key, text)
        .ok_or_else(refresh_invalid)?
        .family;
    let now = state.now();
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Option<Revocation>, ApiError> {
                Ok(revocation::end_session(conn, &state, session, "logout", now).await?)
            },
        )
        .await?;
    revocation::announce(&state, ended.as_slice());
    Ok(envelope::ok(Value::Null))
}

fn refresh_invalid() -> ApiError {
    ApiError::unauthorized("auth.refresh_invalid", "Token is invalid")
}

fn parse_phone(typed: Option<&str>) -> Result<PhoneNumber, ApiError> {
    let wrong = match typed.map(str::trim) {
        None => required(),
        Some("") => not_blank(),
        Some(text) => match PhoneNumber::parse(text) {
            Ok(phone) => return Ok(phone),
            Err(error) => Text::i18n(
                "شمارهٔ تلفن معتبر نیست.",
                "Numéro de téléphone invalide.",
                error.to_string(),
            ),
        },
    };
    Err(ApiError::invalid().field("phone_number", wrong))
}
