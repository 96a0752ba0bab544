//! `/api/integrations/sms/callback/{provider}/{secret}/{status|inbound}/`: receipts and inbound texts, posted by vendors.
//!
//! Most vendors sign nothing, so the address itself is the credential; Twilio's signature is checked beside it.

use actix_web::{HttpRequest, HttpResponse, web};
use common_types::{
    Language, PhoneNumber,
    internal::integrations::{
        Channel, DeliveryMode, MessagePurpose, MessageState, SendMessageRequest,
    },
};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use service_auth::tokens::{ct_eq, sha256_hex};
use service_db::DbError;
use service_http::{Allowed, ApiError, Path, Superuser};
use uuid::Uuid;

use super::{
    callback::{self, Given, Inbound},
    error::MessageError,
    opt_out::{self, Word},
    receipt, record, service, store,
};
use crate::{
    AppState,
    providers::{Adapter, LiveProvider, twilio},
    schema::sms_inbound,
    webhook::http::RawBody,
};

/// Longest answer to HELP.
const HELP: [(&str, Language, &str); 2] = [
    (
        "+98",
        Language::Fa,
        "برای لغو پیامک‌های اطلاع‌رسانی «لغو11» و برای دریافت دوباره «شروع» را بفرستید.",
    ),
    (
        "+221",
        Language::Fr,
        "Envoyez STOP pour ne plus recevoir nos messages, START pour les recevoir de nouveau.",
    ),
];
const HELP_ELSEWHERE: &str = "Send STOP to end our messages, START to receive them again.";

fn refused() -> ApiError {
    ApiError::unauthorized("sms.callback_refused", "The callback is not authenticated.")
}

/// The provider that an authenticated post comes from, with what it posted.
async fn authenticate(
    state: &AppState,
    request: &HttpRequest,
    (slug, secret): (&str, &str),
    kind: &str,
    body: &[u8],
) -> Result<(LiveProvider, Given), ApiError> {
    let live = state
        .registry
        .live(state)
        .await
        .map_err(ApiError::internal)?;
    let provider = live
        .iter()
        .find(|provider| provider.slug == slug && provider.provider_type == "sms")
        .filter(|provider| provider.knows_callback(secret))
        .cloned()
        .ok_or_else(refused)?;
    let parse = |bytes: &[u8]| -> Vec<(String, String)> {
        url::form_urlencoded::parse(bytes).into_owned().collect()
    };
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let form = if document.is_null() {
        parse(body)
    } else {
        Vec::new()
    };
    if provider.adapter == Adapter::Twilio {
        let signature = request
            .headers()
            .get("x-twilio-signature")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let signed = provider
            .callback_url(state, kind)
            .zip(provider.value(None, "auth_token"))
            .is_some_and(|(url, token)| twilio::verify(token, &url, &form, signature));
        if !signed {
            return Err(refused());
        }
    }
    let mut fields = parse(request.query_string().as_bytes());
    fields.extend(form);
    Ok((provider, Given { fields, document }))
}

/// Takes a vendor's receipt. An id that we do not know is answered with 200 too: vendors repeat what fails.
#[utoipa::path(post, path = "/api/integrations/sms/callback/{provider}/{secret}/status/", tag = "sms",
    params(("provider" = String, Path), ("secret" = String, Path)), responses((status = 200), (status = 400), (status = 401)))]
pub(crate) async fn receive_status(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: RawBody,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.bytes()?;
    let (slug, secret) = (path.0.0.as_str(), path.0.1.as_str());
    let (provider, given) = authenticate(&state, &request, (slug, secret), "status", &body).await?;
    let posted = callback::receipt(provider.adapter, &given)
        .ok_or_else(|| ApiError::bad_request("sms.callback_unreadable", "This is no receipt."))?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let row = store::find_sent(&mut conn, &provider.slug, &posted.provider_message_id)
        .await
        .map_err(ApiError::internal)?;
    drop(conn);
    let ended = matches!(
        posted.receipt,
        crate::providers::Receipt::Delivered | crate::providers::Receipt::Failed
    );
    if let Some(row) = row.filter(|_| ended) {
        let result = receipt::apply(&state, row, posted.receipt)
            .await
            .map_err(ApiError::internal)?;
        state
            .stack
            .db
            .transaction(async |conn| {
                record::record(conn, &state, &result).await?;
                Ok::<_, MessageError>(())
            })
            .await?;
        state.stack.outbox.wake();
    }
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}

/// Takes what a receiver wrote: STOP, START or HELP. The text itself is not kept.
#[utoipa::path(post, path = "/api/integrations/sms/callback/{provider}/{secret}/inbound/", tag = "sms",
    params(("provider" = String, Path), ("secret" = String, Path)), responses((status = 200), (status = 400), (status = 401)))]
pub(crate) async fn receive_inbound(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: RawBody,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.bytes()?;
    let (slug, secret) = (path.0.0.as_str(), path.0.1.as_str());
    let (provider, given) =
        authenticate(&state, &request, (slug, secret), "inbound", &body).await?;
    let inbound = callback::inbound(provider.adapter, &given)
        .ok_or_else(|| ApiError::bad_request("sms.callback_unreadable", "This is no text."))?;
    let answer = hear(&state, &provider, &inbound).await?;
    if provider.adapter != Adapter::Twilio {
        return Ok(HttpResponse::Ok().json(json!({"success": true})));
    }
    // TwiML: the vendor sends the answer itself.
    let spoken = answer.map_or_else(String::new, |text| format!("<Message>{text}</Message>"));
    Ok(HttpResponse::Ok()
        .content_type("text/xml; charset=utf-8")
        .body(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{spoken}</Response>"
        )))
}

/// Does what a receiver's word asks for, once however often it is posted; answers what should be said back.
async fn hear(
    state: &AppState,
    provider: &LiveProvider,
    inbound: &Inbound,
) -> Result<Option<&'static str>, ApiError> {
    // Short codes and names cannot opt out of anything.
    let Ok(phone) = PhoneNumber::parse(&inbound.from) else {
        return Ok(None);
    };
    let word = Word::read(&inbound.text);
    let now = state.now();
    let key = inbound.id.clone().unwrap_or_else(|| {
        let minute = now.timestamp() / 60;
        sha256_hex(format!("{}\n{}\n{minute}", inbound.from, inbound.text).as_bytes())
    });
    let new = state
        .stack
        .db
        .transaction(async |conn| {
            let inserted = diesel::insert_into(sms_inbound::table)
                .values((
                    sms_inbound::id.eq(Uuid::now_v7()),
                    sms_inbound::provider_id.eq(provider.id),
                    sms_inbound::dedupe_key.eq(&key),
                    sms_inbound::sender_masked.eq(phone.masked()),
                    sms_inbound::word.eq(word.as_str()),
                    sms_inbound::received_at.eq(now),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            if inserted == 1 {
                match word {
                    Word::Stop => {
                        opt_out::add(conn, phone.e164(), &provider.slug, now).await?;
                    }
                    Word::Start => {
                        opt_out::remove(conn, phone.e164()).await?;
                    }
                    Word::Help | Word::Other => {}
                }
            }
            Ok::<_, DbError>(inserted == 1)
        })
        .await
        .map_err(ApiError::internal)?;
    if word != Word::Help {
        return Ok(None);
    }
    let known = HELP
        .iter()
        .find(|(prefix, ..)| phone.e164().starts_with(prefix));
    let (language, words) = known.map_or((Language::En, HELP_ELSEWHERE), |(_, language, words)| {
        (*language, *words)
    });
    if new && provider.adapter != Adapter::Twilio {
        help(
            state,
            &phone,
            language,
            words,
            &format!("{}:{key}", provider.slug),
        )
        .await?;
    }
    Ok(Some(words))
}

/// Queues the answer to HELP.
async fn help(
    state: &AppState,
    phone: &PhoneNumber,
    language: Language,
    words: &str,
    key: &str,
) -> Result<(), ApiError> {
    let request = SendMessageRequest {
        idempotency_key: format!("help:{}", sha256_hex(key.as_bytes())),
        channel: Channel::Sms,
        to: phone.e164().to_owned(),
        language,
        subject: None,
        text: words.to_owned(),
        html: None,
        purpose: MessagePurpose::Notification,
        template: None,
        mode: DeliveryMode::Queued,
        organization_id: None,
        reference: None,
    };
    let row = service::accept(state, "service:integrations", &request).await?;
    if super::http::state_of(&row) == MessageState::Refused {
        tracing::info!(message = %row.id, "who asked for help has opted out");
    }
    Ok(())
}

/// The addresses to enter in the vendors' panels. They hold secrets: superusers only, and each look is audited.
#[utoipa::path(get, path = "/api/integrations/sms/callbacks/", tag = "sms",
    responses((status = 200), (status = 401), (status = 403)))]
pub(crate) async fn list_callbacks(
    caller: Allowed<Superuser>,
    ip: service_http::ClientIp,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let providers = state
        .registry
        .of_type(&state, "sms")
        .await
        .map_err(ApiError::internal)?;
    let audit = service_audit::AuditEntry::new(
        caller.sub,
        service_audit::ActorKind::User,
        "integrations.sms_callbacks_shown",
        state.now(),
    )
    .origin(Some(ip.0), None);
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    service_audit::record(&mut conn, audit)
        .await
        .map_err(ApiError::internal)?;
    let results: Vec<Value> = providers
        .iter()
        .filter(|provider| {
            matches!(
                provider.adapter,
                Adapter::Kavenegar | Adapter::Twilio | Adapter::Orange | Adapter::HttpSms
            )
        })
        .map(|provider| {
            json!({
                "provider": provider.slug,
                "status_url": provider.callback_url(&state, "status"),
                "inbound_url": provider.callback_url(&state, "inbound"),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

impl LiveProvider {
    /// Whether a secret is the one of this provider's callback addresses.
    fn knows_callback(&self, secret: &str) -> bool {
        self.callback_secret
            .as_ref()
            .is_some_and(|known| ct_eq(known.expose().as_bytes(), secret.as_bytes()))
    }
}
