//! The internal API of codes: `patient-access` sends and verifies through it.

use actix_web::{HttpResponse, web};
use common_types::internal::auth::{
    CodeOutcome, SendCodeRequest, SendCodeResponse, VerifyCodeRequest, VerifyCodeResponse,
};
use serde_json::json;
use service_http::{ApiError, Json, Path, ServiceCaller};
use uuid::Uuid;

use super::model::PATIENT_ACCESS;
use super::{CodeError, SendCode, Target, Verdict};
use crate::shield::Asker;
use crate::state::AppState;
use crate::unexpected::unexpected;

/// The one client that asks for consent codes; any other service with a token could make people's phones ring.
const CONSENT_CLIENT: &str = "patient-access";
/// When another service may look again whether the patient has proven the number.
const NEEDS_PROOF_SECONDS: u64 = 3600;
/// The longest binding, in bytes.
const MAX_BINDING_BYTES: usize = 200;

/// Sends a code for another service. Logins are not for others.
#[utoipa::path(post, path = "/internal/codes/", tag = "internal", operation_id = "send_code",
    request_body(content = serde_json::Value),
    responses((status = 201, description = "Sent, or its sending is unknown"), (status = 429, description = "Too soon: `retry_after`"),
        (status = 502, description = "No provider took it; nothing is charged")))]
pub async fn send_code(
    state: web::Data<AppState>,
    caller: ServiceCaller,
    body: Json<SendCodeRequest>,
) -> Result<HttpResponse, ApiError> {
    check_client(&caller)?;
    let body = body.into_inner();
    if body.purpose != PATIENT_ACCESS {
        return Err(ApiError::invalid().field(
            "purpose",
            format!("\"{}\" is not a valid choice.", body.purpose),
        ));
    }
    if body.binding.is_empty() || body.binding.len() > MAX_BINDING_BYTES {
        return Err(
            ApiError::invalid().field("binding", "Ensure this field has 1 to 200 characters.")
        );
    }
    let wish = SendCode {
        purpose: &body.purpose,
        phone: &body.phone,
        binding: &body.binding,
        language: body.language,
        variables: body.variables,
    };
    let asker = Asker {
        ip: None,
        organization: body.organization_id,
    };
    let sent = super::send_for(&state, &wish, &asker)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Created().json(SendCodeResponse {
        challenge_id: sent.challenge_id,
        expires_at: sent.expires_at,
        cooldown_seconds: sent.cooldown_seconds,
    }))
}

/// Verifies a code for another service; a right one is used.
#[utoipa::path(post, path = "/internal/codes/{id}/verify/", tag = "internal", operation_id = "verify_code",
    request_body(content = serde_json::Value),
    params(("id" = Uuid, Path, description = "The challenge")),
    responses((status = 200, description = "`outcome` and `attempts_left`")))]
pub async fn verify_code(
    state: web::Data<AppState>,
    caller: ServiceCaller,
    id: Path<Uuid>,
    body: Json<VerifyCodeRequest>,
) -> Result<HttpResponse, ApiError> {
    check_client(&caller)?;
    let target = Target::Challenge(*id);
    let verdict = super::verify(
        &state,
        PATIENT_ACCESS,
        &body.phone,
        &body.binding,
        target,
        &body.code,
    )
    .await
    .map_err(refusal)?;
    let (outcome, attempts_left) = match verdict {
        Verdict::Right(_) => (CodeOutcome::Verified, 0),
        Verdict::Wrong(left) => (CodeOutcome::Wrong, left),
        Verdict::Expired => (CodeOutcome::Expired, attempts_left(&state, *id).await?),
        Verdict::Burned => (CodeOutcome::Burned, 0),
        Verdict::Unknown => (CodeOutcome::Unknown, 0),
    };
    Ok(HttpResponse::Ok().json(VerifyCodeResponse {
        outcome,
        attempts_left,
    }))
}

fn check_client(caller: &ServiceCaller) -> Result<(), ApiError> {
    if caller.service() == CONSENT_CLIENT {
        Ok(())
    } else {
        Err(ApiError::permission_denied())
    }
}

/// An expired code keeps the attempts it had (wire.md 2.2).
async fn attempts_left(state: &AppState, id: Uuid) -> Result<i32, ApiError> {
    let mut conn = state.stack.db.get().await?;
    Ok(super::store::count_attempts_left(&mut conn, id).await?)
}

fn refusal(error: CodeError) -> ApiError {
    match error {
        CodeError::TooSoon(seconds) | CodeError::Throttled(seconds) => {
            ApiError::too_many(u64::try_from(seconds).unwrap_or(1))
                .contract(json!({"retry_after": seconds}))
        }
        CodeError::NeedsProof => ApiError::new(
            actix_web::http::StatusCode::TOO_MANY_REQUESTS,
            "auth.number_needs_proof",
            "The number must be proven anew.",
        )
        .contract(json!({"retry_after": NEEDS_PROOF_SECONDS}))
        .retry_after(NEEDS_PROOF_SECONDS),
        CodeError::NotAllowed => {
            ApiError::invalid().field("phone", "Codes cannot be sent to this number.")
        }
        CodeError::Stopped(seconds) => {
            ApiError::unavailable("auth.codes_stopped", "Codes are not sent at the moment.")
                .retry_after(u64::try_from(seconds).unwrap_or(1))
        }
        CodeError::NoCode => ApiError::bad_request("auth.code_unknown", "There is no such code."),
        CodeError::NotSent => {
            ApiError::bad_gateway("auth.code_not_sent", "The code could not be sent.")
        }
        CodeError::UnknownPurpose => {
            ApiError::bad_request("auth.unknown_purpose", "There is no such purpose.")
        }
        CodeError::Unexpected(error) => unexpected(error),
    }
}
