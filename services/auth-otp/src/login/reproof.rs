//! Proving a number anew after a hundred wrong codes in a row (NIST 800-63B 5.2.2; reliability.md 0.2.2).
//!
//! A stranger who types wrong codes must not close a person out, and must not go on guessing either. So the codes of
//! the number stop, and one long code with a single attempt, once an hour, opens them again: at most 24 guesses of
//! 10^10 a day. It opens nothing else: the person then logs in as always.

use actix_web::{HttpResponse, web};
use serde_json::json;
use service_http::{ApiError, ClientIp, Json};

use super::contexor::{OtpRequest, OtpVerifyRequest, not_sent, parse_code, parse_phone};
use super::limits;
use super::words::SmsLanguage;
use crate::code::model::REPROOF;
use crate::code::{self, SendCode, Target, Verdict};
use crate::shield::{Asker, ChallengeAnswer};
use crate::state::AppState;

/// Sends the long code. Every number gets one, so that nobody learns which one was attacked.
#[utoipa::path(post, path = "/api/auth/otp/reproof/", tag = "login", operation_id = "request_reproof",
    request_body = OtpRequest, responses((status = 200, description = "`success`, `message`, `ttl`"), (status = 400), (status = 429)))]
pub async fn request_reproof(
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
        purpose: REPROOF,
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
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "message": "OTP sent successfully",
        "ttl": sent.lifetime_seconds,
    })))
}

/// Takes the long code; the number's wrong codes are forgotten.
#[utoipa::path(post, path = "/api/auth/otp/reproof/verify/", tag = "login", operation_id = "verify_reproof",
    request_body = OtpVerifyRequest, responses((status = 200, description = "`success`, `message`"), (status = 400), (status = 429)))]
pub async fn verify_reproof(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    answer: ChallengeAnswer,
    body: Json<OtpVerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, ip, &answer).await?;
    limits::trying(&state, ip).await?;
    let length = state
        .settings
        .codes
        .profiles
        .get(REPROOF)
        .map_or(10, |profile| profile.length);
    let phone = parse_phone(body.phone_number.as_deref())?;
    let code = parse_code(body.code.as_ref(), length)
        .map_err(|message| ApiError::invalid().field("code", message))?;
    let verdict = code::verify(&state, REPROOF, &phone, "", Target::Latest, &code)
        .await
        .map_err(not_sent)?;
    let message = match verdict {
        Verdict::Right(_) => {
            metrics::counter!("auth_numbers_proven_total").increment(1);
            return Ok(HttpResponse::Ok()
                .json(json!({"success": true, "message": "The number is confirmed"})));
        }
        Verdict::Wrong(left) => format!("Invalid code. {left} attempts remaining"),
        Verdict::Burned => "Too many failed attempts".to_owned(),
        Verdict::Expired | Verdict::Unknown => "Invalid or expired OTP code".to_owned(),
    };
    Err(ApiError::bad_request("auth.code_wrong", message.clone())
        .contract(json!({"success": false, "message": message})))
}
