//! `POST /api/integrations/ai/generate/` (I04).

use std::convert::Infallible;

use actix_web::{HttpResponse, http::StatusCode, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream as streams};
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{
    Allowed, ApiError, JsonBytes, OrganizationMember, Query, idempotency::OptionalKey, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    call::{Bill, Call},
    error::AiError,
    prompts, service,
    stream::{self, Part, Streaming},
};
use crate::{
    AppState, log,
    providers::ai::{ChatMessage, Role, TextError},
};

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
    /// Whether the text is handed over as it is made, by server-sent events: `{"delta"}` … `{"done": true, "usage", "model"}`.
    #[serde(default)]
    stream: bool,
}

/// `?provider=`.
#[derive(Debug, Deserialize)]
pub(crate) struct GenerateQuery {
    pub(super) provider: Option<String>,
}

fn checked(body: GenerateRequest, bill: Bill) -> Result<Call, ApiError> {
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
    if !prompts::KINDS.contains(&analysis) {
        return refuse("analysis_type", text::not_a_choice(analysis));
    }
    let medical = prompts::instruction(analysis);
    let about = prompts::context(body.patient_context.as_ref());
    let prompt = if about.is_empty() {
        body.prompt
    } else {
        format!("{about}\n{}", body.prompt)
    };
    // An analysis keeps its own instruction, temperature and length, whatever the caller asks for.
    let system = medical.map(str::to_owned).or(body.system_prompt);
    let mut messages = Vec::new();
    messages.extend(
        system
            .filter(|text| !text.trim().is_empty())
            .map(|content| ChatMessage {
                role: Role::System,
                content,
            }),
    );
    messages.push(ChatMessage {
        role: Role::User,
        content: prompt,
    });
    Ok(Call {
        bill: Bill {
            purpose: format!("analysis_{analysis}"),
            ..bill
        },
        messages,
        max_tokens: if medical.is_some() {
            prompts::MAX_TOKENS
        } else {
            max_tokens
        },
        temperature: if medical.is_some() {
            prompts::TEMPERATURE
        } else {
            temperature
        },
        top_p: None,
        stop: Vec::new(),
        model: body.model.filter(|model| !model.is_empty()),
        language: None,
    })
}

/// The bill of a member of an organisation.
pub(super) fn bill_of(caller: &Allowed<OrganizationMember>) -> Result<Bill, ApiError> {
    let organization = caller.org.ok_or_else(ApiError::permission_denied)?;
    let mut bill = Bill::new(format!("user:{}", caller.sub), "general", organization);
    bill.user_id = Some(caller.sub);
    Ok(bill)
}

fn bare(status: StatusCode, code: &'static str, words: &str) -> ApiError {
    ApiError::new(status, code, words).bare(json!({"success": false, "error": words}))
}

/// The words of a provider that failed, as helssa gives them.
fn words_of(error: &TextError) -> String {
    match error {
        TextError::Refused { message, .. } => message.clone(),
        other => format!("خطا در ارتباط با سرویس AI: {}", other.code()),
    }
}

/// A refusal in helssa's shape (wire.md 3.7, 9.4).
pub(super) fn refusal(error: AiError) -> ApiError {
    match error {
        AiError::LimitSpent(_) => bare(
            StatusCode::TOO_MANY_REQUESTS,
            "ai.limit_spent",
            log::LIMIT_REACHED,
        ),
        AiError::Throttled(seconds) => bare(
            StatusCode::TOO_MANY_REQUESTS,
            "request.throttled",
            log::LIMIT_REACHED,
        )
        .retry_after(seconds),
        AiError::UnknownProvider(slug) => {
            let words = format!("Provider {slug} not found or inactive");
            // The status of the contract (wire.md 3.7), though the mistake is the caller's.
            bare(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ai.unknown_provider",
                &words,
            )
        }
        AiError::NoProvider => {
            let words = "خطا در ارتباط با سرویس AI: no provider is configured";
            bare(StatusCode::BAD_REQUEST, "ai.no_provider", words)
        }
        AiError::Provider(error) => {
            let code = match &error {
                TextError::Refused { .. } => "ai.provider_refused",
                _ => "ai.provider_failed",
            };
            bare(StatusCode::BAD_REQUEST, code, &words_of(&error))
        }
        AiError::InFlight => ApiError::conflict(
            "ai.in_flight",
            "The first call with this key is still running.",
        )
        .retry_after(1),
        AiError::AnswerGone => ApiError::conflict(
            "ai.answer_gone",
            "The answer of this call is no longer kept.",
        ),
        AiError::TooLarge(most) => {
            service_http::body::too_large(usize::try_from(most).unwrap_or(usize::MAX))
        }
        AiError::Invalid(field, reason) => ApiError::invalid().field(field, reason),
        AiError::Unexpected(cause) => ApiError::internal(cause),
    }
}

/// Makes a text. Only members of an organisation, whose limits it counts against.
#[utoipa::path(post, path = "/api/integrations/ai/generate/", tag = "ai", request_body = GenerateRequest,
    params(("provider" = Option<String>, Query), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 429)))]
pub(crate) async fn generate_text(
    caller: Allowed<OrganizationMember>,
    key: OptionalKey,
    query: Query<GenerateQuery>,
    body: JsonBytes<GenerateRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut bill = bill_of(&caller)?;
    if let Some(key) = key.0 {
        bill.keyed(&key, &body.bytes);
    }
    let body = body.value;
    let streamed = body.stream;
    let call = checked(body, bill)?;
    let provider = query.provider.as_deref();
    if streamed {
        let text = stream::stream(&state, call, provider)
            .await
            .map_err(refusal)?;
        return Ok(events(text));
    }
    let made = service::generate(&state, call, provider)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "text": made.response.text,
        "usage": made.raw_usage,
        "model": made.response.model,
        "provider": made.response.provider,
    })))
}

/// A text as server-sent events.
fn events(text: Streaming) -> HttpResponse {
    let provider = text.provider;
    let parts = streams::unfold(text.parts, |mut parts| async move {
        let part = parts.recv().await?;
        Some((part, parts))
    });
    let body = parts.map(move |part| {
        let data = match part {
            Part::Text(delta) => json!({"delta": delta}),
            Part::End { model, usage, .. } => {
                json!({"done": true, "success": true, "usage": usage, "model": model, "provider": provider})
            }
            Part::Broken(error) => {
                json!({"done": true, "success": false, "error": words_of(&error)})
            }
        };
        Ok::<_, Infallible>(Bytes::from(format!("data: {data}\n\n")))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("Cache-Control", "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body)
}

/// A call's id where a caller may need one.
pub(crate) fn call_name(id: Uuid) -> String {
    format!("chatcmpl-{}", id.simple())
}
