//! `POST /api/integrations/sms/bulk/`: one text, or texts of their own, to many receivers, through the queue.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use common_types::{
    Language, PhoneNumber,
    internal::integrations::{
        Channel, DeliveryMode, MessagePurpose, MessageTemplate, SendMessageRequest,
    },
};
use serde::Deserialize;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, record};
use service_http::{Allowed, ApiError, ClientIp, Json, Limit, idempotency::OptionalKey, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    opt_out, service,
    sms_http::{SendSms, spend},
};
use crate::AppState;

const MAX_TEXT: usize = 1_000;

/// Body of `sms/bulk/`: `receptors` with one `message` or `template`, or `messages`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct BulkRequest {
    #[serde(default)]
    receptors: Vec<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    tokens: BTreeMap<String, String>,
    #[serde(default)]
    messages: Vec<OneMessage>,
    #[serde(default)]
    language: Option<Language>,
}

/// A text of its own for one receiver.
#[derive(Deserialize, ToSchema)]
pub(crate) struct OneMessage {
    receptor: String,
    message: String,
}

struct Wanted {
    to: String,
    text: String,
    template: Option<MessageTemplate>,
}

fn phone(field: &str, index: usize, given: &str) -> Result<String, ApiError> {
    PhoneNumber::parse(given)
        .map(|phone| phone.e164().to_owned())
        .map_err(|error| ApiError::invalid().field(field, format!("{}: {error}", index + 1)))
}

fn check(body: BulkRequest, most: usize) -> Result<Vec<Wanted>, ApiError> {
    let refuse = |field: &str, words: &str| ApiError::invalid().field(field, words);
    let template = body
        .template
        .filter(|key| !key.trim().is_empty())
        .map(|key| MessageTemplate {
            key,
            tokens: body.tokens,
        });
    let message = body.message.unwrap_or_default();
    let mut wanted: Vec<Wanted> = Vec::new();
    match (body.receptors.is_empty(), body.messages.is_empty()) {
        (true, true) => return Err(ApiError::invalid().field("receptors", text::required())),
        (false, false) => {
            return Err(refuse("messages", "Give receptors or messages, not both."));
        }
        (false, true) => {
            if message.trim().is_empty() && template.is_none() {
                return Err(ApiError::invalid().field("message", text::required()));
            }
            for (index, receptor) in body.receptors.iter().enumerate() {
                wanted.push(Wanted {
                    to: phone("receptors", index, receptor)?,
                    text: message.clone(),
                    template: template.clone(),
                });
            }
        }
        (true, false) => {
            for (index, one) in body.messages.into_iter().enumerate() {
                if one.message.trim().is_empty() {
                    return Err(ApiError::invalid().field("messages", text::not_blank()));
                }
                wanted.push(Wanted {
                    to: phone("messages", index, &one.receptor)?,
                    text: one.message,
                    template: None,
                });
            }
        }
    }
    if wanted.len() > most {
        return Err(refuse(
            "receptors",
            &format!("At most {most} receivers are taken at a time."),
        ));
    }
    if wanted.iter().any(|one| one.text.chars().count() > MAX_TEXT) {
        return Err(ApiError::invalid().field("message", text::too_long(MAX_TEXT)));
    }
    Ok(wanted)
}

/// Queues texts to many receivers: all of them or, when one is wrong, none. The same `Idempotency-Key` and body give the
/// first answer again.
#[utoipa::path(post, path = "/api/integrations/sms/bulk/", tag = "sms", request_body = BulkRequest,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202), (status = 400), (status = 401), (status = 403), (status = 422), (status = 429)))]
pub(crate) async fn send_bulk(
    caller: Allowed<SendSms>,
    ip: ClientIp,
    key: OptionalKey,
    body: Json<BulkRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let language = body.language.unwrap_or(Language::Fa);
    let wanted = check(body, state.settings.messages.bulk_max)?;
    let limit = Limit::per_hour(state.settings.messages.bulk_per_user_hour);
    spend(&state, &format!("sms-bulk:{}", caller.sub), limit).await?;
    let key = key.0.unwrap_or_else(|| Uuid::now_v7().to_string());
    let requests: Vec<SendMessageRequest> = wanted
        .into_iter()
        .enumerate()
        .map(|(index, one)| SendMessageRequest {
            idempotency_key: format!("bulk:{key}:{index}"),
            channel: Channel::Sms,
            to: one.to,
            language,
            subject: None,
            text: one.text,
            html: None,
            purpose: MessagePurpose::Notification,
            template: one.template,
            mode: DeliveryMode::Queued,
            organization_id: caller.org,
            reference: None,
        })
        .collect();
    let owner = format!("user:{}", caller.sub);
    let rows = service::accept_many(&state, &owner, &requests).await?;
    let batch = rows.first().and_then(|row| row.batch_id);
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.sms_bulk_queued",
        state.now(),
    )
    .subject("message_batch", batch.unwrap_or_default())
    .organization(caller.org)
    .origin(Some(ip.0), None);
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    record(&mut conn, audit).await.map_err(ApiError::internal)?;
    // Only what stays as it is once the texts go out: the same key is answered alike later.
    let opted_out = rows
        .iter()
        .filter(|row| row.state == "refused" && row.error_code.as_deref() == Some(opt_out::CODE))
        .count();
    Ok(HttpResponse::Accepted().json(json!({
        "success": true,
        "batch": batch,
        "count": rows.len(),
        "accepted": rows.len() - opted_out,
        "opted_out": opted_out,
        "segments": rows.iter().map(|row| row.segments).sum::<i32>(),
        "message_ids": rows.iter().map(|row| row.number).collect::<Vec<_>>(),
    })))
}
