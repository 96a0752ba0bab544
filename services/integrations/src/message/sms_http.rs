//! `POST /api/integrations/sms/send/` (I03).

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use common_types::ClinicRole;
use common_types::{
    Language, PhoneNumber,
    internal::integrations::{
        Channel, DeliveryMode, MessagePurpose, MessageState, MessageTemplate, SendMessageRequest,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, Outcome, record};
use service_http::{
    Allowed, ApiError, ClientIp, Json, Limit, idempotency::OptionalKey, permission,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{error::MessageError, http::state_of, opt_out, service, store::MessageRow};
use crate::{AppState, defaults, rate_rule};

permission!(
    /// Who may write texts of their own to patients: an accountant has no reason to.
    pub(crate) SendSms, "sms.send",
    |claims| claims.superuser
        || (claims.org.is_some()
            && matches!(
                claims.clinic_role,
                Some(ClinicRole::Admin | ClinicRole::Doctor | ClinicRole::Secretary)
            ))
);

/// Body of `sms/send/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SendSmsRequest {
    /// `09` and nine digits; Persian digits are fine.
    receptor: String,
    /// `otp`, `pattern` or `simple` (default).
    #[serde(default)]
    message_type: Option<String>,
    /// Template of `otp` (default `verify`) and `pattern`.
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    tokens: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    message: Option<String>,
}

const RECEPTOR: &str = "شماره موبایل باید با 09 شروع شود و 11 رقم باشد.";

/// A request that passed the rules of wire.md 3.6.
struct Checked {
    to: String,
    kind: &'static str,
    text: String,
    template: Option<MessageTemplate>,
}

fn check(body: SendSmsRequest) -> Result<Checked, ApiError> {
    let refuse = |field: &str, message: &str| ApiError::invalid().field(field, message);
    let receptor = defaults::ascii(body.receptor.trim());
    if receptor.chars().count() < 11 {
        return Err(refuse(
            "receptor",
            "Ensure this field has at least 11 characters.",
        ));
    }
    let sound = receptor.len() == 11
        && receptor.starts_with("09")
        && receptor.bytes().all(|b| b.is_ascii_digit());
    let Some(phone) = PhoneNumber::parse(&receptor).ok().filter(|_| sound) else {
        return Err(refuse("receptor", RECEPTOR));
    };
    let kind = match body.message_type.as_deref() {
        None | Some("simple") => "simple",
        Some("otp") => "otp",
        Some("pattern") => "pattern",
        Some(other) => {
            return Err(refuse(
                "message_type",
                &format!("\"{other}\" is not a valid choice."),
            ));
        }
    };
    let longest = |value: &Option<String>, max: usize| {
        value.as_ref().is_some_and(|v| v.chars().count() > max)
    };
    for (field, value, max) in [
        ("template", &body.template, 100),
        ("token", &body.token, 10),
        ("message", &body.message, 1_000),
    ] {
        if longest(value, max) {
            return Err(refuse(
                field,
                &format!("Ensure this field has no more than {max} characters."),
            ));
        }
    }
    let given = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
    let to = phone.e164().to_owned();
    match kind {
        "otp" => {
            let token = given(body.token).ok_or_else(|| {
                refuse("non_field_errors", "برای ارسال OTP، فیلد token الزامی است.")
            })?;
            let key = given(body.template).unwrap_or_else(|| "verify".to_owned());
            let tokens = BTreeMap::from([("token".to_owned(), token)]);
            Ok(Checked {
                to,
                kind,
                text: String::new(),
                template: Some(MessageTemplate { key, tokens }),
            })
        }
        "pattern" => {
            let tokens = body
                .tokens
                .filter(|tokens| !tokens.is_empty())
                .ok_or_else(|| {
                    refuse(
                        "non_field_errors",
                        "برای ارسال با قالب، فیلد tokens الزامی است.",
                    )
                })?;
            let key = given(body.template)
                .ok_or_else(|| refuse("template", "This field is required."))?;
            let plain = |value: Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let tokens = tokens
                .into_iter()
                .map(|(name, value)| (name, plain(value)))
                .collect();
            Ok(Checked {
                to,
                kind,
                text: String::new(),
                template: Some(MessageTemplate { key, tokens }),
            })
        }
        _ => {
            let text = given(body.message).ok_or_else(|| {
                refuse(
                    "non_field_errors",
                    "برای ارسال پیام ساده، فیلد message الزامی است.",
                )
            })?;
            Ok(Checked {
                to,
                kind,
                text,
                template: None,
            })
        }
    }
}

/// The number that an old client keeps: the provider's, else ours.
pub(crate) fn shown_number(row: &MessageRow) -> i64 {
    row.provider_message_id
        .as_deref()
        .and_then(|id| id.parse().ok())
        .unwrap_or(row.number)
}

const TOO_MANY: &str = "تعداد درخواست‌ها بیش از حد مجاز است";

/// At most so many texts per person and hour: a staff account is no SMS relay.
pub(crate) async fn spend_budget(state: &AppState, user: Uuid) -> Result<(), ApiError> {
    let limit = Limit::per_hour(state.settings.messages.per_user_hour);
    spend(state, &format!("sms:{user}"), limit).await
}

/// Takes one from a budget, which is wider in development (decision 13).
pub(crate) async fn spend(state: &AppState, key: &str, limit: Limit) -> Result<(), ApiError> {
    let limit = limit.widened(state.budget_factor());
    let decision = state.stack.limiter.check(key, limit).await;
    decision
        .into_result()
        .map(|_| ())
        .map_err(|refused| refused.bare(json!({"success": false, "error": TOO_MANY})))
}

/// A staff member's text, with its audit row.
pub(crate) async fn send_for_staff(
    state: &AppState,
    caller: &Allowed<SendSms>,
    ip: &ClientIp,
    key: Option<String>,
    message: SendMessageRequest,
) -> Result<MessageRow, ApiError> {
    let request = SendMessageRequest {
        idempotency_key: key.unwrap_or_else(|| Uuid::now_v7().to_string()),
        organization_id: caller.org,
        ..message
    };
    let row = service::accept(state, &format!("user:{}", caller.sub), &request)
        .await
        .map_err(|error| match error {
            MessageError::QuotaSpent => {
                ApiError::from(error).contract(json!({"success": false, "error": TOO_MANY}))
            }
            other => other.into(),
        })?;
    let outcome = if state_of(&row) == MessageState::Refused {
        Outcome::Failed
    } else {
        Outcome::Success
    };
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.sms_sent",
        state.now(),
    )
    .subject("message", row.id)
    .organization(caller.org)
    .outcome(outcome)
    .origin(Some(ip.0), None);
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    record(&mut conn, audit).await.map_err(ApiError::internal)?;
    Ok(row)
}

/// Sends a text now (I03): staff only.
#[utoipa::path(post, path = "/api/integrations/sms/send/", tag = "sms", request_body = SendSmsRequest,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 429)))]
pub(crate) async fn send_sms(
    caller: Allowed<SendSms>,
    ip: ClientIp,
    key: OptionalKey,
    body: Json<SendSmsRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let checked = check(body.into_inner())?;
    let action = match checked.kind {
        "otp" => "send_otp",
        "pattern" => "send_pattern",
        _ => "send_simple",
    };
    rate_rule::admit_person(&state, action, caller.sub, caller.org, ip.0).await?;
    spend_budget(&state, caller.sub).await?;
    let message = SendMessageRequest {
        idempotency_key: String::new(),
        channel: Channel::Sms,
        to: checked.to,
        language: Language::Fa,
        subject: None,
        text: checked.text,
        html: None,
        purpose: if checked.kind == "otp" {
            MessagePurpose::Otp
        } else {
            MessagePurpose::Notification
        },
        template: checked.template,
        mode: DeliveryMode::Synchronous,
        organization_id: None,
        reference: None,
    };
    let row = send_for_staff(&state, &caller, &ip, key.0, message).await?;
    let (number, cost) = (shown_number(&row), row.cost_amount.unwrap_or(0));
    match state_of(&row) {
        MessageState::Sent | MessageState::Queued => Ok(HttpResponse::Ok().json(match checked.kind {
            "simple" => json!({
                "success": true, "message_ids": [number], "total_cost": cost, "id": row.id, "segments": row.segments,
            }),
            _ => json!({"success": true, "message_id": number, "cost": cost, "id": row.id}),
        })),
        MessageState::Unknown => Err(refused("خطا در ارتباط با سرویس پیامک")),
        MessageState::Refused => {
            if row.error_code.as_deref() == Some(opt_out::CODE) {
                return Err(refused(service::OPTED_OUT).field("receptor", service::OPTED_OUT));
            }
            let network = matches!(row.error_code.as_deref(), Some("unreachable" | "provider.none" | "provider.resting"));
            let words = row.error_text.filter(|_| !network);
            Err(refused(words.as_deref().unwrap_or("خطا در ارتباط با سرویس پیامک")))
        }
    }
}

fn refused(words: &str) -> ApiError {
    ApiError::bad_request("sms.refused", words).bare(json!({"success": false, "error": words}))
}
