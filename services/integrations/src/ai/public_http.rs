//! `POST /api/integrations/ai/generate/` (I04).

use actix_web::{HttpResponse, http::StatusCode, web};
use common_types::internal::integrations::AiGenerateRequest;
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{
    Allowed, ApiError, Json, OrganizationMember, Query, idempotency::OptionalKey, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{error::AiError, service};
use crate::{AppState, providers::ai::TextError};

/// Body of `ai/generate/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct GenerateRequest {
    prompt: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    system_prompt: Option<String>,
    /// `general` (default), `symptoms`, `diagnosis` or `prescription`.
    #[serde(default)]
    analysis_type: Option<String>,
    /// `age, gender, medical_history[], medications[], allergies[]`.
    #[serde(default)]
    #[schema(value_type = Object)]
    patient_context: Option<Value>,
}

/// `?provider=`.
#[derive(Debug, Deserialize)]
pub(crate) struct GenerateQuery {
    provider: Option<String>,
}

const LIMIT_SPENT: &str = "تعداد درخواست‌ها بیش از حد مجاز است";

/// The instruction of a medical analysis; `None` for the general kind.
fn instruction(analysis: &str) -> Option<&'static str> {
    Some(match analysis {
        "symptoms" => {
            "شما دستیار پزشک هستید. علائم بیمار را تحلیل و پرسش‌های تکمیلی و فوریت‌ها را فهرست کنید. تشخیص قطعی ندهید."
        }
        "diagnosis" => {
            "شما دستیار پزشک هستید. تشخیص‌های افتراقی محتمل را با دلیل فهرست کنید. تصمیم با پزشک است."
        }
        "prescription" => {
            "شما دستیار پزشک هستید. نسخه را از نظر تداخل، دوز و حساسیت بررسی کنید. تصمیم با پزشک است."
        }
        _ => return None,
    })
}

/// The lines about the patient that stand above the prompt.
fn context(context: Option<&Value>) -> String {
    let Some(Value::Object(members)) = context else {
        return String::new();
    };
    let mut lines = String::new();
    for (name, words) in [
        ("age", "سن"),
        ("gender", "جنسیت"),
        ("medical_history", "سابقه پزشکی"),
        ("medications", "داروها"),
        ("allergies", "حساسیت‌ها"),
    ] {
        let value = match members.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect::<Vec<_>>()
                .join("، "),
            Some(other) => other.to_string(),
        };
        lines.push_str(&format!("{words}: {value}\n"));
    }
    lines
}

fn checked(
    body: GenerateRequest,
    organization_id: Uuid,
    user: Uuid,
    key: String,
) -> Result<AiGenerateRequest, ApiError> {
    let refuse = |field: &str, message| Err(ApiError::invalid().field(field, message));
    let longest = |value: &str, max: usize| value.chars().count() > max;
    if body.prompt.trim().is_empty() {
        return refuse("prompt", text::not_blank());
    }
    for (field, value, max) in [
        ("prompt", Some(&body.prompt), 5_000),
        ("model", body.model.as_ref(), 50),
        ("system_prompt", body.system_prompt.as_ref(), 1_000),
    ] {
        if value.is_some_and(|value| longest(value, max)) {
            return refuse(field, text::too_long(max));
        }
    }
    let max_tokens = body.max_tokens.unwrap_or(1_000);
    let Some(max_tokens) = u32::try_from(max_tokens)
        .ok()
        .filter(|tokens| (1..=4_000).contains(tokens))
    else {
        let words = if max_tokens < 1 {
            "Ensure this value is greater than or equal to 1."
        } else {
            "Ensure this value is less than or equal to 4000."
        };
        return refuse("max_tokens", words.into());
    };
    let temperature = body.temperature.unwrap_or(0.7);
    if !(0.0..=2.0).contains(&temperature) {
        return refuse(
            "temperature",
            "Ensure this value is between 0 and 2.".into(),
        );
    }
    let analysis = body.analysis_type.as_deref().unwrap_or("general");
    let medical = instruction(analysis);
    if medical.is_none() && analysis != "general" {
        return refuse("analysis_type", text::not_a_choice(analysis));
    }
    let about = context(body.patient_context.as_ref());
    let prompt = if about.is_empty() {
        body.prompt
    } else {
        format!("{about}\n{}", body.prompt)
    };
    Ok(AiGenerateRequest {
        purpose: format!("analysis_{analysis}"),
        prompt,
        // An analysis keeps its own instruction, temperature and length, whatever the caller asks for.
        system_prompt: medical.map(str::to_owned).or(body.system_prompt),
        max_tokens: if medical.is_some() { 1_500 } else { max_tokens },
        temperature: if medical.is_some() { 0.3 } else { temperature },
        model: body.model.filter(|model| !model.is_empty()),
        language: None,
        user_id: Some(user),
        organization_id,
        workspace_id: None,
        content_id: None,
        reservation_key: key,
    })
}

fn refused(status: StatusCode, code: &'static str, words: &str) -> ApiError {
    ApiError::new(status, code, words).bare(json!({"success": false, "error": words}))
}

/// Makes a text. Only members of an organisation, whose limits it counts against.
#[utoipa::path(post, path = "/api/integrations/ai/generate/", tag = "ai", request_body = GenerateRequest,
    params(("provider" = Option<String>, Query), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 429)))]
pub(crate) async fn generate_text(
    caller: Allowed<OrganizationMember>,
    key: OptionalKey,
    query: Query<GenerateQuery>,
    body: Json<GenerateRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let organization = caller.org.ok_or_else(ApiError::permission_denied)?;
    let key = key.0.unwrap_or_else(|| Uuid::now_v7().to_string());
    let request = checked(body.into_inner(), organization, caller.sub, key)?;
    let owner = format!("user:{}", caller.sub);
    match service::generate(&state, &owner, request, query.provider.as_deref()).await {
        Ok(made) => Ok(HttpResponse::Ok().json(json!({
            "success": true,
            "text": made.response.text,
            "usage": made.raw_usage,
            "model": made.response.model,
            "provider": made.response.provider,
        }))),
        Err(AiError::LimitSpent(_)) => Err(refused(
            StatusCode::TOO_MANY_REQUESTS,
            "ai.limit_spent",
            LIMIT_SPENT,
        )),
        Err(AiError::UnknownProvider(slug)) => {
            let words = format!("Provider {slug} not found or inactive");
            Err(refused(
                StatusCode::BAD_REQUEST,
                "ai.unknown_provider",
                &words,
            ))
        }
        Err(AiError::NoProvider) => {
            let words = "خطا در ارتباط با سرویس AI: no provider is configured";
            Err(refused(StatusCode::BAD_REQUEST, "ai.no_provider", words))
        }
        Err(AiError::Provider(TextError::Refused { message, .. })) => Err(refused(
            StatusCode::BAD_REQUEST,
            "ai.provider_refused",
            &message,
        )),
        Err(AiError::Provider(error)) => {
            let words = format!("خطا در ارتباط با سرویس AI: {}", error.code());
            Err(refused(
                StatusCode::BAD_REQUEST,
                "ai.provider_failed",
                &words,
            ))
        }
        Err(AiError::InFlight) => Err(ApiError::conflict(
            "ai.in_flight",
            "The first call with this key is still running.",
        )
        .retry_after(1)),
        Err(AiError::AnswerGone) => Err(ApiError::conflict(
            "ai.answer_gone",
            "The answer of this call is no longer kept.",
        )),
        Err(AiError::Invalid(field, reason)) => Err(ApiError::invalid().field(field, reason)),
        Err(AiError::Unexpected(cause)) => Err(ApiError::internal(cause)),
    }
}
