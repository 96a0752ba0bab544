//! Contexor's login (A07, A10, A11; wire.md 6.2).

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use common_types::digits;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_http::{ApiError, ClientIp, Json};
use utoipa::ToSchema;

use super::words::{SmsLanguage, not_a_string, not_blank, required};
use super::{Challenge, CodeLogin, LoginError, limits, log_in};
use crate::code::model::LOGIN_S4;
use crate::code::{self, CodeError, SendCode, Verdict};
use crate::session::SessionKind;
use crate::session::carrier::{Browser, Carrier, seconds_left};
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::shield::{Asker, ChallengeAnswer};
use crate::state::AppState;
use crate::unexpected::unexpected;
use crate::user::dto::BriefUser;

/// What numbers that codes are not sent to are told (both contracts).
pub(super) const NOT_ALLOWED: &str = "Codes cannot be sent to this number.";
/// What everybody is told while codes are stopped.
pub(super) const STOPPED: &str = "Codes are not sent at the moment.";
/// What a number is told after too many wrong codes in a row.
pub(super) const NEEDS_PROOF: &str =
    "Too many failed attempts. Confirm this number at /api/auth/otp/reproof/ first.";
/// There is nothing to be spoken.
pub(super) const NO_CODE: &str = "Invalid or expired OTP code";

/// `POST /api/auth/otp/request/`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OtpRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
}

/// The code is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct OtpRequestResponse {
    /// Always true.
    pub success: bool,
    /// `OTP sent successfully`.
    pub message: &'static str,
    /// The code's lifetime in seconds.
    pub ttl: i64,
}

/// Sends a login code by SMS. The answer is the same for known and unknown phones.
#[utoipa::path(post, path = "/api/auth/otp/request/", tag = "login", operation_id = "request_otp",
    request_body = OtpRequest, responses((status = 200, body = OtpRequestResponse), (status = 400), (status = 429, description = "`retry_after`")))]
pub async fn request_otp(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<OtpRequest>,
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
    Ok(HttpResponse::Ok().json(OtpRequestResponse {
        success: true,
        message: "OTP sent successfully",
        ttl: sent.lifetime_seconds,
    }))
}

/// `POST /api/auth/otp/call/`: the same code, spoken, when the SMS did not come. The wait is
/// `codes.voice_after_seconds`; a code is spoken once.
#[utoipa::path(post, path = "/api/auth/otp/call/", tag = "login", operation_id = "call_otp",
    request_body = OtpRequest, responses((status = 200, description = "`success` and `message`"), (status = 400), (status = 429, description = "`retry_after`"), (status = 502)))]
pub async fn call_otp(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<OtpRequest>,
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
    code::speak(&state, &wish, &asker).await.map_err(not_sent)?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "OTP call started"})))
}

pub(super) fn not_sent(error: CodeError) -> ApiError {
    let positive = |seconds: i64| u64::try_from(seconds).unwrap_or(1);
    let body = |message: &str, retry_after: Option<i64>| json!({"success": false, "message": message, "retry_after": retry_after});
    match error {
        CodeError::TooSoon(seconds) | CodeError::Throttled(seconds) => {
            let message = format!("Please wait {seconds} seconds before requesting another code");
            ApiError::too_many(positive(seconds)).contract(body(&message, Some(seconds)))
        }
        CodeError::NeedsProof => needs_proof(),
        CodeError::NotAllowed => ApiError::bad_request("auth.code_not_allowed", NOT_ALLOWED)
            .contract(json!({"phone_number": [NOT_ALLOWED]})),
        CodeError::Stopped(seconds) => ApiError::unavailable("auth.codes_stopped", STOPPED)
            .contract(body(STOPPED, Some(seconds)))
            .retry_after(positive(seconds)),
        CodeError::NoCode => {
            ApiError::bad_request("auth.code_unknown", NO_CODE).contract(body(NO_CODE, None))
        }
        CodeError::NotSent => ApiError::bad_request("auth.code_not_sent", "Failed to send SMS")
            .contract(body("Failed to send SMS", None)),
        CodeError::UnknownPurpose => {
            ApiError::internal(anyhow::anyhow!("no profile for {LOGIN_S4}"))
        }
        CodeError::Unexpected(error) => unexpected(error),
    }
}

/// After too many wrong codes in a row: `/api/auth/otp/reproof/` ends it.
fn needs_proof() -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "auth.number_needs_proof",
        NEEDS_PROOF,
    )
    .contract(json!({"success": false, "message": NEEDS_PROOF, "retry_after": null}))
}

/// `POST /api/auth/otp/verify/`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OtpVerifyRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
    /// Six digits of any script, as text or number.
    #[schema(value_type = String)]
    pub code: Option<Value>,
    /// `cookie` keeps the refresh token from scripts; our own pages only.
    #[serde(default)]
    pub session: Carrier,
}

/// Somebody is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct OtpVerifyResponse {
    /// Always true.
    pub success: bool,
    /// `Successfully registered` or `Successfully logged in`.
    pub message: &'static str,
    /// The access token.
    pub access: String,
    /// The refresh token; absent when it travels in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Who.
    pub user: BriefUser,
}

/// Creates or logs in the user of the phone.
#[utoipa::path(post, path = "/api/auth/otp/verify/", tag = "login", operation_id = "verify_otp",
    request_body = OtpVerifyRequest, responses((status = 200, body = OtpVerifyResponse), (status = 400),
        (status = 403, description = "`auth.second_factor_required`: `challenge`"), (status = 429)))]
pub async fn verify_otp(
    state: web::Data<AppState>,
    origin: Origin,
    SmsLanguage(language): SmsLanguage,
    browser: Browser,
    answer: ChallengeAnswer,
    body: Json<OtpVerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    browser.check(body.session)?;
    limits::admit(&state, origin.ip, &answer).await?;
    limits::trying(&state, origin.ip).await?;
    let length = state
        .settings
        .codes
        .profiles
        .get(LOGIN_S4)
        .map_or(6, |profile| profile.length);
    let code = parse_code(body.code.as_ref(), length);
    let phone = parse_phone(body.phone_number.as_deref());
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
        kind: SessionKind::Rotating,
        workshop: false,
        carrier: body.session,
    };
    let logged_in = log_in(&state, &login).await.map_err(refused)?;
    let message = if logged_in.registered {
        "Successfully registered"
    } else {
        "Successfully logged in"
    };
    let opened = logged_in.opened;
    let left = seconds_left(state.now(), opened.expires_at);
    let (refresh, cookie) = body.session.part(opened.refresh, left);
    let mut response = no_store();
    if let Some(cookie) = cookie {
        response.cookie(cookie);
    }
    Ok(response.json(OtpVerifyResponse {
        success: true,
        message,
        access: opened.access,
        refresh,
        user: BriefUser::from(&logged_in.user),
    }))
}

fn refused(error: LoginError) -> ApiError {
    let bad = |code: &'static str, message: String| {
        ApiError::bad_request(code, message.clone())
            .contract(json!({"success": false, "message": message}))
    };
    match error {
        LoginError::Code(Verdict::Wrong(left)) => {
            bad("auth.code_wrong", format!("Invalid code. {left} attempts remaining"))
        }
        LoginError::Code(Verdict::Burned) => bad("auth.code_burned", "Too many failed attempts".to_owned()),
        LoginError::Code(Verdict::Expired | Verdict::Unknown | Verdict::Right(_)) => {
            bad("auth.code_unknown", "Invalid or expired OTP code".to_owned())
        }
        LoginError::SecondFactor(challenge) => {
            let words = Challenge::words();
            challenge.refusal(
                json!({"success": false, "message": words.in_language(common_types::Language::En)}),
            )
        }
        LoginError::Inactive => bad("auth.account_closed", "This account is disabled.".to_owned()),
        LoginError::NeedsProof => needs_proof(),
        LoginError::Throttled(seconds) => ApiError::too_many(u64::try_from(seconds).unwrap_or(1))
            .contract(json!({"success": false, "message": "Too many failed attempts", "retry_after": seconds})),
        LoginError::Unexpected(error) => unexpected(error),
    }
}

pub(super) fn parse_phone(typed: Option<&str>) -> Result<PhoneNumber, ApiError> {
    let refuse = |message| Err(ApiError::invalid().field("phone_number", message));
    match typed.map(str::trim) {
        None => refuse(required()),
        Some("") => refuse(not_blank()),
        Some(text) => PhoneNumber::parse(text)
            .map_err(|error| ApiError::invalid().field("phone_number", error.to_string())),
    }
}

/// The code as text; a number gets its leading zeros back (wire.md 9.7).
pub(crate) fn code_text(value: &Value, length: usize) -> Option<String> {
    match value {
        Value::String(text) => Some(code::model::normalize(text)),
        Value::Number(number) => number.as_u64().map(|number| format!("{number:0length$}")),
        _ => None,
    }
}

pub(super) fn parse_code(
    value: Option<&Value>,
    length: usize,
) -> Result<String, service_http::Text> {
    let value = value.ok_or_else(required)?;
    let code = code_text(value, length).ok_or_else(not_a_string)?;
    if code.is_empty() {
        return Err(not_blank());
    }
    if !digits::to_ascii(&code).bytes().all(|b| b.is_ascii_digit()) {
        return Err("OTP code must contain only digits".into());
    }
    match code.len().cmp(&length) {
        std::cmp::Ordering::Less => {
            Err(format!("Ensure this field has at least {length} characters.").into())
        }
        std::cmp::Ordering::Greater => {
            Err(format!("Ensure this field has no more than {length} characters.").into())
        }
        std::cmp::Ordering::Equal => Ok(code),
    }
}
