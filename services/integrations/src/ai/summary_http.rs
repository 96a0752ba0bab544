//! `POST /api/integrations/ai/summarize/`.

use actix_web::{HttpResponse, web};
use common_types::{
    Language,
    internal::integrations::{SummarizeMessage, SummarizeRequest},
};
use serde::Deserialize;
use serde_json::json;
use service_http::{Allowed, ApiError, Json, OrganizationMember};
use utoipa::ToSchema;

use super::{public_http::refusal, summary};
use crate::AppState;

/// Longest text to be summed up, in characters.
const LONGEST: usize = 60_000;

/// Body of `ai/summarize/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SummarizeTextRequest {
    /// What is to be summed up, one statement a line.
    text: String,
    /// `fa` (default), `fr` or `en`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
}

/// Sums up a text in one short paragraph and a longer form.
#[utoipa::path(post, path = "/api/integrations/ai/summarize/", tag = "ai", request_body = SummarizeTextRequest,
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 429)))]
pub(crate) async fn summarize_text(
    caller: Allowed<OrganizationMember>,
    body: Json<SummarizeTextRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let organization = caller.org.ok_or_else(ApiError::permission_denied)?;
    let body = body.into_inner();
    if body.text.trim().is_empty() {
        return Err(ApiError::invalid().field("text", service_http::text::not_blank()));
    }
    if body.text.chars().count() > LONGEST {
        return Err(ApiError::invalid().field("text", service_http::text::too_long(LONGEST)));
    }
    let at = state.now();
    let messages = body
        .text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| SummarizeMessage {
            author: "text".to_owned(),
            text: line.to_owned(),
            at,
        })
        .collect();
    let request = SummarizeRequest {
        language: body.language.unwrap_or(Language::Fa),
        messages,
        organization_id: Some(organization),
        user_id: Some(caller.sub),
    };
    let made = summary::summarize(&state, &format!("user:{}", caller.sub), request)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "summary": made.summary_text,
        "content": made.content,
        "model": made.model,
    })))
}
