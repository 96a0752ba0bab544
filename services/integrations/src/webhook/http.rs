//! `POST /api/integrations/webhook/{endpoint}/` (I05).

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use serde_json::{Map, Value, json};
use service_http::{ApiError, Path, body, extract::client_ip};

use super::{
    error::WebhookError,
    receive::{self, Incoming},
    scheme::Headers,
};
use crate::AppState;

/// Headers that are kept with an event; all others may carry secrets.
const KEPT_HEADERS: [&str; 6] = [
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-request-id",
    "content-length",
];

/// The exact bytes of a body, up to the webhook limit; the signature is over these.
pub(crate) struct RawBody(Result<Vec<u8>, WebhookError>);

impl RawBody {
    /// The bytes; 413 when there were too many.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, ApiError> {
        self.0.map_err(|error| {
            ApiError::new(
                actix_web::http::StatusCode::PAYLOAD_TOO_LARGE,
                "webhook.too_large",
                error.to_string(),
            )
        })
    }
}

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let max_bytes = request
                .app_data::<web::Data<AppState>>()
                .map_or(262_144, |state| state.settings.webhooks.max_body_bytes);
            let limits = body::BodyLimits {
                max_bytes,
                ..body::BodyLimits::default()
            };
            match body::read(&request, &mut payload, limits).await {
                Ok(bytes) => Ok(Self(Ok(bytes.to_vec()))),
                Err(error) if error.status() == actix_web::http::StatusCode::PAYLOAD_TOO_LARGE => {
                    Ok(Self(Err(WebhookError::TooLarge(max_bytes))))
                }
                Err(error) => Err(error),
            }
        })
    }
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Takes a provider's webhook. Answers at once; what it means is found out by whoever hears the event.
#[utoipa::path(post, path = "/api/integrations/webhook/{endpoint_url}/", tag = "webhooks",
    params(("endpoint_url" = String, Path), ("X-Signature" = Option<String>, Header, description = "Lower-case hex HMAC-SHA256 of the raw body")),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 413), (status = 422)))]
pub(crate) async fn receive_webhook(
    request: HttpRequest,
    endpoint_url: Path<String>,
    raw: RawBody,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = receive::endpoint(&state, endpoint_url.trim_matches('/'))
        .await
        .map_err(|error| error.answer(false))?;
    let legacy = endpoint.legacy_replies;
    let body = raw.0.map_err(|error| error.answer(legacy))?;
    let shown_headers: Map<String, Value> = KEPT_HEADERS
        .iter()
        .filter_map(|name| {
            header(&request, name).map(|value| ((*name).to_owned(), Value::from(value)))
        })
        .collect();
    let incoming = Incoming {
        headers: Headers::new(
            request
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))),
        ),
        shown_headers,
        body,
        source_ip: client_ip(&request).to_string(),
    };
    receive::receive(&state, &endpoint, incoming)
        .await
        .map_err(|error| error.answer(legacy))?;
    Ok(HttpResponse::Ok()
        .json(json!({"success": true, "message": "Webhook received successfully"})))
}
