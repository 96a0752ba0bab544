//! `POST /internal/messages/`.

use actix_web::{HttpResponse, http::StatusCode, web};
use common_types::internal::integrations::{MessageState, SendMessageRequest, SendMessageResponse};
use service_http::{ApiError, Json, ServiceCaller};

use super::{service, store::MessageRow};
use crate::AppState;

/// What a row's state means to its owner.
pub(crate) fn state_of(row: &MessageRow) -> MessageState {
    match row.state.as_str() {
        "queued" => MessageState::Queued,
        "sending" if row.mode == "queued" => MessageState::Queued,
        "sent" | "delivered" => MessageState::Sent,
        "unknown" | "sending" => MessageState::Unknown,
        // A synchronous message whose outcome stayed unknown was never certainly refused.
        "failed" if row.error_code.as_deref() == Some("outcome_unknown") => MessageState::Unknown,
        _ => MessageState::Refused,
    }
}

/// Takes a message over: 200 with its state, or 502 when every provider refused.
pub(crate) async fn create_internal_message(
    caller: ServiceCaller,
    body: Json<SendMessageRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let owner = format!("service:{}", caller.0.service());
    let row = service::accept(&state, &owner, &body.0).await?;
    let answer = SendMessageResponse {
        message_id: Some(row.id),
        state: state_of(&row),
        provider: row.provider_slug.clone(),
        cost: row
            .cost_amount
            .filter(|_| row.cost_currency.as_deref() == Some("IRR")),
    };
    let status = if answer.state == MessageState::Refused {
        StatusCode::BAD_GATEWAY
    } else {
        StatusCode::OK
    };
    Ok(HttpResponse::build(status).json(answer))
}
