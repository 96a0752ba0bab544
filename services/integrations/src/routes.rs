//! The whole HTTP map. Paths stand without their final slash; both forms reach them.

use actix_web::web::{self, Data, ServiceConfig, get, patch, post, resource};

use crate::{
    AppState, ai, credential, log, message, provider,
    webhook::{self, event_http},
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config.app_data(Data::new(state));
    public(config);
    internal(config);
}

fn public(config: &mut ServiceConfig) {
    let base = |path: &str| format!("/api/integrations/{path}");
    config
        .service(resource(base("providers")).route(get().to(provider::http::list_providers)))
        .service(
            resource(base("providers/{slug}"))
                .route(get().to(provider::http::get_provider))
                .route(patch().to(provider::http::update_provider)),
        )
        .service(
            resource([
                base("providers/{slug}/health-check"),
                base("providers/{slug}/health_check"),
            ])
            .route(get().to(provider::http::check_provider)),
        )
        .service(
            resource(base("providers/{slug}/statistics"))
                .route(get().to(provider::http::get_provider_statistics)),
        )
        .service(
            resource(base("credentials"))
                .route(get().to(credential::http::list_credentials))
                .route(post().to(credential::http::create_credential)),
        )
        .service(
            resource(base("credentials/{id}")).route(get().to(credential::http::get_credential)),
        )
        .service(
            resource(base("credentials/{id}/rotate"))
                .route(post().to(credential::http::rotate_credential)),
        )
        .service(resource(base("logs")).route(get().to(log::http::list_logs)))
        .service(
            resource(base("webhooks"))
                .route(get().to(webhook::http::list_webhooks))
                .route(post().to(webhook::http::create_webhook)),
        )
        .service(resource(base("webhook-events")).route(get().to(event_http::list_webhook_events)))
        .service(
            resource(base("webhook-events/{id}/retry"))
                .route(post().to(event_http::retry_webhook_event)),
        )
        .service(
            resource(base("webhook/{endpoint_url:.+}"))
                .route(post().to(webhook::http::receive_webhook)),
        )
        .service(resource(base("sms/send")).route(post().to(message::sms_http::send_sms)))
        .service(resource(base("sms/{id}")).route(get().to(message::sms_http::get_sms)))
        .service(resource(base("ai/generate")).route(post().to(ai::public_http::generate_text)))
        .service(
            resource("/api/message/send").route(post().to(message::public_http::send_message)),
        );
}

fn internal(config: &mut ServiceConfig) {
    config.service(
        web::scope("/internal")
            .service(resource("/messages").route(post().to(message::http::create_internal_message)))
            .service(
                resource("/credentials/{slug}")
                    .route(get().to(credential::http::get_internal_credentials)),
            )
            .service(
                resource("/ai/generate").route(post().to(ai::http::create_internal_generation)),
            )
            .service(resource("/ai/summarize").route(post().to(ai::http::create_internal_summary))),
    );
}
