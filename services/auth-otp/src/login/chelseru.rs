//! django-chelseru's login (A01, A02, A05; wire.md 4.1 and 9.5).

use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_http::{ApiError, ClientIp, Json};
use utoipa::ToSchema;

use super::contexor::{NEEDS_PROOF, NOT_ALLOWED, STOPPED, code_text};
use super::words::{SmsLanguage, not_a_string, not_an_integer, not_blank, required};
use super::{Challenge, CodeLogin, LoginError, limits, log_in};
use crate::code::model::LOGIN_S2;
use crate::code::{self, CodeError, SendCode};
use crate::session::http::{TokenPair, no_store};
use crate::session::open::Origin;
use crate::session::{Carrier, SessionKind};
use crate::shield::{Asker, ChallengeAnswer};
use crate::state::AppState;
use crate::unexpected::unexpected;

const SENT: &str = "The OTP code was sent correctly.";
const CALLED: &str = "The OTP code is being spoken.";
const NOT_FOUND: &str = "The code sent to this mobile number was not found.";
const NOT_SENT: &str = "The SMS service provider was unable to process the request.";
/// The highest group tag (decisions.md 3).
const MAX_GROUP: i64 = 32_767;

/// `POST /api/otp/send/`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SendOtpRequest {
    /// Any spelling.
    pub mobile_number: Option<String>,
}

/// The code is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct SendOtpResponse {
    /// `The OTP code was sent correctly.`
    pub details: &'static str,
}

/// Sends a login code by SMS; 409 with the seconds left while the cooldown runs.
#[utoipa::path(post, path = "/api/otp/send/", tag = "login", operation_id = "send_otp",
    request_body = SendOtpRequest, responses((status = 200, body = SendOtpResponse), (status = 400), (status = 409), (status = 429), (status = 502)))]
pub async fn send_otp(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<SendOtpRequest>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, ip, &answer).await?;
    limits::asking(
        &state,
        ip,
        body.mobile_number.as_deref().unwrap_or_default(),
    )
    .await?;
    let phone = parse_phone(body.mobile_number.as_deref())?;
    let wish = SendCode {
        purpose: LOGIN_S2,
        phone: &phone,
        binding: "",
        language,
        variables: std::collections::BTreeMap::new(),
    };
    let asker = Asker {
        ip: Some(ip),
        organization: None,
    };
    code::send_for(&state, &wish, &asker)
        .await
        .map_err(not_sent)?;
    Ok(HttpResponse::Ok().json(SendOtpResponse { details: SENT }))
}

/// The same code, spoken, when the SMS did not come; once per code, after `codes.voice_after_seconds`.
#[utoipa::path(post, path = "/api/otp/call/", tag = "login", operation_id = "call_otp_s2",
    request_body = SendOtpRequest, responses((status = 200, body = SendOtpResponse), (status = 400), (status = 409), (status = 429), (status = 502)))]
pub async fn call_otp(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<SendOtpRequest>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, ip, &answer).await?;
    let typed = body.mobile_number.as_deref().unwrap_or_default();
    limits::asking(&state, ip, typed).await?;
    let phone = parse_phone(body.mobile_number.as_deref())?;
    let wish = SendCode {
        purpose: LOGIN_S2,
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
    Ok(HttpResponse::Ok().json(SendOtpResponse { details: CALLED }))
}

fn not_sent(error: CodeError) -> ApiError {
    match error {
        CodeError::TooSoon(seconds) => {
            let details = format!(
                "An OTP code has already been sent. Please wait {seconds} seconds before trying again."
            );
            ApiError::conflict("auth.code_too_soon", details.clone())
                .contract(json!({"details": details}))
                .retry_after(u64::try_from(seconds).unwrap_or(1))
        }
        CodeError::Throttled(seconds) => {
            let error = ApiError::too_many(u64::try_from(seconds).unwrap_or(1));
            error.contract(json!({"details": format!("Too many codes. Please wait {seconds} seconds.")}))
        }
        CodeError::NeedsProof => ApiError::new(
            actix_web::http::StatusCode::TOO_MANY_REQUESTS,
            "auth.number_needs_proof",
            NEEDS_PROOF,
        )
        .contract(json!({"details": NEEDS_PROOF})),
        CodeError::NotAllowed => ApiError::bad_request("auth.code_not_allowed", NOT_ALLOWED)
            .contract(json!({"mobile_number": [NOT_ALLOWED]})),
        CodeError::Stopped(seconds) => ApiError::unavailable("auth.codes_stopped", STOPPED)
            .contract(json!({"details": STOPPED}))
            .retry_after(u64::try_from(seconds).unwrap_or(1)),
        CodeError::NoCode => ApiError::bad_request("auth.code_unknown", NOT_FOUND)
            .contract(json!({"details": NOT_FOUND})),
        // Flat and nested keys, for readers of either (wire.md 9.5).
        CodeError::NotSent => ApiError::bad_gateway("auth.code_not_sent", NOT_SENT)
            .contract(json!({"details": NOT_SENT, "data": {"details": NOT_SENT}, "obj_status": 418, "status": 502})),
        CodeError::UnknownPurpose => ApiError::internal(anyhow::anyhow!("no profile for {LOGIN_S2}")),
        CodeError::Unexpected(error) => unexpected(error)
            .contract(json!({"error": "An internal server error occurred."})),
    }
}

/// `POST /api/authenticate/`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AuthenticateRequest {
    /// Any spelling.
    pub mobile_number: Option<String>,
    /// Eight digits of any script, as text or number.
    #[schema(value_type = String)]
    pub code: Option<Value>,
    /// The group tag, 0 to 32767, as number or text.
    #[schema(value_type = Option<i32>)]
    #[serde(default)]
    pub group: Option<Value>,
}

/// Creates or logs in the user of the phone.
#[utoipa::path(post, path = "/api/authenticate/", tag = "login", operation_id = "authenticate",
    request_body = AuthenticateRequest, responses((status = 200, body = TokenPair), (status = 400), (status = 401),
        (status = 403, description = "`auth.second_factor_required`: `challenge`")))]
pub async fn authenticate(
    state: web::Data<AppState>,
    origin: Origin,
    SmsLanguage(language): SmsLanguage,
    answer: ChallengeAnswer,
    body: Json<AuthenticateRequest>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, origin.ip, &answer).await?;
    limits::trying(&state, origin.ip).await?;
    let length = state
        .settings
        .codes
        .profiles
        .get(LOGIN_S2)
        .map_or(8, |profile| profile.length);
    let phone = parse_phone(body.mobile_number.as_deref());
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
    let group = group(body.group.as_ref());
    let (phone, code, group) = match (phone, code, group) {
        (Ok(phone), Ok(code), Some(group)) => (phone, code, group),
        (phone, code, group) => {
            let mut error = phone.err().unwrap_or_else(ApiError::invalid);
            if let Err(message) = code {
                error = error.field("code", message);
            }
            if group.is_none() {
                error = error.field("group", not_an_integer());
            }
            return Err(error);
        }
    };
    let login = CodeLogin {
        purpose: LOGIN_S2,
        phone: &phone,
        code: &code,
        group,
        language,
        origin: &origin,
        kind: SessionKind::Rotating,
        workshop: false,
        carrier: Carrier::Body,
    };
    let logged_in = log_in(&state, &login).await.map_err(refused)?;
    Ok(no_store().json(TokenPair {
        access: logged_in.opened.access,
        refresh: Some(logged_in.opened.refresh),
    }))
}

fn refused(error: LoginError) -> ApiError {
    let error_body = json!({"error": NOT_FOUND});
    match error {
        LoginError::Code(_) => ApiError::new(
            actix_web::http::StatusCode::UNAUTHORIZED,
            "auth.code_wrong",
            NOT_FOUND,
        )
        .contract(error_body),
        LoginError::SecondFactor(challenge) => {
            let words = Challenge::words();
            challenge.refusal(json!({"error": words.in_language(common_types::Language::En)}))
        }
        LoginError::Inactive => {
            let closed = "This account is disabled.";
            ApiError::new(
                actix_web::http::StatusCode::UNAUTHORIZED,
                "auth.account_closed",
                closed,
            )
            .contract(json!({"error": closed}))
        }
        LoginError::NeedsProof => ApiError::new(
            actix_web::http::StatusCode::TOO_MANY_REQUESTS,
            "auth.number_needs_proof",
            NEEDS_PROOF,
        )
        .contract(json!({"error": NEEDS_PROOF})),
        LoginError::Throttled(seconds) => {
            ApiError::too_many(u64::try_from(seconds).unwrap_or(1)).contract(error_body)
        }
        LoginError::Unexpected(error) => {
            unexpected(error).contract(json!({"error": "An internal server error occurred."}))
        }
    }
}

fn parse_phone(typed: Option<&str>) -> Result<PhoneNumber, ApiError> {
    match typed.map(str::trim) {
        None => Err(ApiError::invalid().field("mobile_number", required())),
        Some("") => Err(ApiError::invalid().field("mobile_number", not_blank())),
        Some(text) => PhoneNumber::parse(text)
            .map_err(|error| ApiError::invalid().field("mobile_number", error.to_string())),
    }
}

/// 0 when absent; numbers and texts both count (wire.md 9.5).
fn group(value: Option<&Value>) -> Option<i32> {
    let number = match value {
        None | Some(Value::Null) => 0,
        Some(Value::Number(number)) => number.as_i64()?,
        Some(Value::String(text)) => common_types::digits::to_ascii(text.trim()).parse().ok()?,
        Some(_) => return None,
    };
    if (0..=MAX_GROUP).contains(&number) {
        i32::try_from(number).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_as_number_or_text() {
        assert_eq!(group(None), Some(0));
        assert_eq!(group(Some(&json!(2))), Some(2));
        assert_eq!(group(Some(&json!("2"))), Some(2));
        assert_eq!(group(Some(&json!("۲"))), Some(2));
        for bad in [
            json!(-1),
            json!(32768),
            json!("x"),
            json!(1.5),
            json!([1]),
            json!(true),
        ] {
            assert_eq!(group(Some(&bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_code_as_number_keeps_its_zeros() {
        assert_eq!(code_text(&json!(1234), 6).as_deref(), Some("001234"));
        assert_eq!(code_text(&json!("۱۲ ۳۴"), 6).as_deref(), Some("1234"));
        assert_eq!(code_text(&json!(-1), 6), None);
        assert_eq!(code_text(&json!([1]), 6), None);
    }
}
