//! `POST /api/message/send/` of django-chelseru (I20): staff only, 290 characters, the keys of both its document and its
//! source.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use common_types::{
    Language, PhoneNumber,
    internal::integrations::{
        Channel, DeliveryMode, MessagePurpose, MessageState, MessageTemplate, SendMessageRequest,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use service_http::{Allowed, ApiError, ClientIp, Json, idempotency::OptionalKey, text};
use utoipa::ToSchema;

use super::{
    deliver,
    http::state_of,
    opt_out, service,
    sms_http::{SendSms, send_for_staff, shown_number, spend_budget},
    store,
};
use crate::AppState;

const MAX_TEXT: usize = 290;
const MAX_NUMBER: usize = 20;

/// Body of `message/send/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SendMessageBody {
    mobile_number: String,
    message_text: String,
    /// Number or key of a template in the registry (`T1`, `1` …).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    template_id: Option<Value>,
    /// More values of the template, as Kavenegar names them.
    #[serde(default)]
    token2: Option<String>,
    #[serde(default)]
    token3: Option<String>,
    #[serde(default)]
    token10: Option<String>,
    #[serde(default)]
    token20: Option<String>,
}

fn too_long(field: &str, max: usize) -> ApiError {
    ApiError::invalid().field(field, text::too_long(max))
}

/// The registry key of a template id; a number that the registry does not have is the provider's own.
async fn template(
    state: &AppState,
    caller: &Allowed<SendSms>,
    id: &Value,
) -> Result<Option<String>, ApiError> {
    let keys = match id {
        Value::Number(number) => vec![format!("T{number}"), number.to_string()],
        Value::String(text) if !text.is_empty() => vec![text.clone(), format!("T{text}")],
        Value::Null => return Ok(None),
        Value::String(_) => return Ok(None),
        _ => return Err(ApiError::invalid().field("template_id", text::not_an_integer())),
    };
    state.ready().await.map_err(ApiError::internal)?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    for key in &keys {
        let values = store::list_template_values(&mut conn, caller.org, key, Language::Fa.as_str())
            .await
            .map_err(ApiError::internal)?;
        if !values.is_empty() {
            return Ok(Some(key.clone()));
        }
    }
    Ok(keys
        .into_iter()
        .find(|key| key.bytes().all(|byte| byte.is_ascii_digit())))
}

/// Without a template nothing is sent where every provider of a number takes templates only (I20, Parsian).
async fn needs_template(state: &AppState, to: &str) -> Result<bool, ApiError> {
    let all = deliver::candidates(state, Channel::Sms, to, &[])
        .await
        .map_err(ApiError::internal)?;
    Ok(!all.is_empty() && all.iter().all(|provider| provider.adapter.templates_only()))
}

/// Sends a text (I20).
#[utoipa::path(post, path = "/api/message/send/", tag = "sms", request_body = SendMessageBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 502)))]
pub(crate) async fn send_message(
    caller: Allowed<SendSms>,
    ip: ClientIp,
    key: OptionalKey,
    body: Json<SendMessageBody>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    if body.mobile_number.chars().count() > MAX_NUMBER {
        return Err(too_long("mobile_number", MAX_NUMBER));
    }
    if body.message_text.trim().is_empty() {
        return Err(ApiError::invalid().field("message_text", text::not_blank()));
    }
    if body.message_text.chars().count() > MAX_TEXT {
        return Err(too_long("message_text", MAX_TEXT));
    }
    let phone = PhoneNumber::parse(&body.mobile_number)
        .map_err(|error| ApiError::invalid().field("mobile_number", error.to_string()))?;
    let key_of_template = match &body.template_id {
        Some(id) => template(&state, &caller, id).await?,
        None => None,
    };
    if key_of_template.is_none() && needs_template(&state, phone.e164()).await? {
        let words = text::required();
        return Err(ApiError::invalid().field("template_id", words));
    }
    let tokens = [
        ("token", Some(body.message_text.clone())),
        ("token2", body.token2),
        ("token3", body.token3),
        ("token10", body.token10),
        ("token20", body.token20),
    ];
    let tokens: BTreeMap<String, String> = tokens
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let template = key_of_template.map(|key| MessageTemplate { key, tokens });
    spend_budget(&state, caller.sub).await?;
    let message = SendMessageRequest {
        idempotency_key: String::new(),
        channel: Channel::Sms,
        to: phone.e164().to_owned(),
        language: Language::Fa,
        subject: None,
        text: body.message_text.clone(),
        html: None,
        purpose: MessagePurpose::Notification,
        template,
        mode: DeliveryMode::Synchronous,
        organization_id: None,
        reference: None,
    };
    let row = send_for_staff(&state, &caller, &ip, key.0, message).await?;
    if row.error_code.as_deref() == Some(opt_out::CODE) {
        return Err(ApiError::invalid().field("mobile_number", service::OPTED_OUT));
    }
    match state_of(&row) {
        MessageState::Sent | MessageState::Queued => Ok(HttpResponse::Ok().json(json!({
            "details": "The Message was sent correctly.",
            "receiver": body.mobile_number,
            "message": body.message_text,
            "messageid": shown_number(&row),
        }))),
        MessageState::Unknown | MessageState::Refused => {
            let details = "The SMS service provider was unable to process the request.";
            let error_code = row.error_code.as_deref().unwrap_or_default();
            let number = error_code
                .rsplit('.')
                .next()
                .and_then(|tail| tail.parse::<i64>().ok());
            let words = row.error_text.clone().unwrap_or_default();
            Err(
                ApiError::bad_gateway("sms.provider_refused", details).bare(json!({
                    "details": details,
                    "message": words,
                    "errorcode": number,
                    "errortext": words,
                    "data": {"details": details, "message": words},
                    "obj_status": number,
                    "status": 502,
                })),
            )
        }
    }
}
