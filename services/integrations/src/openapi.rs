//! The API document of the public routes.

use utoipa::OpenApi;

use crate::{ai, credential, log, message, provider, webhook};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tabib integrations",
        description = "Providers, credentials, webhooks, messages, AI."
    ),
    paths(
        provider::http::list_providers,
        provider::http::get_provider,
        provider::http::update_provider,
        provider::http::check_provider,
        provider::http::get_provider_statistics,
        credential::http::list_credentials,
        credential::http::get_credential,
        credential::http::create_credential,
        credential::http::rotate_credential,
        log::http::list_logs,
        webhook::http::list_webhooks,
        webhook::http::create_webhook,
        webhook::http::receive_webhook,
        webhook::event_http::list_webhook_events,
        webhook::event_http::retry_webhook_event,
        message::sms_http::send_sms,
        message::sms_http::get_sms,
        message::public_http::send_message,
        ai::public_http::generate_text,
    )
)]
struct Document;

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
