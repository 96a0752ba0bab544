//! The whole HTTP map. Paths stand without their final slash; both forms reach them.

use actix_web::{
    middleware::from_fn,
    web::{self, Data, ServiceConfig, delete, get, patch, post, put, resource},
};

use crate::{
    AppState, ai, credential, file, log, message,
    outgoing::{endpoint_http, event_type_http, message_http},
    provider, rate_rule, template, v1,
    webhook::{self, endpoint_http as inbound, event_http},
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config.app_data(Data::new(state));
    internal(config);
    // Last: the empty prefix takes whatever comes to it.
    config.service(
        web::scope("")
            .wrap(from_fn(rate_rule::middleware::enforce))
            .configure(public)
            .configure(outgoing)
            .configure(files),
    );
}

fn public(config: &mut ServiceConfig) {
    let base = |path: &str| format!("/api/integrations/{path}");
    config
        .service(
            resource(base("providers"))
                .route(get().to(provider::http::list_providers))
                .route(post().to(provider::admin_http::create_provider)),
        )
        .service(
            resource(base("providers/{slug}/settings"))
                .route(get().to(provider::admin_http::get_provider_settings))
                .route(patch().to(provider::admin_http::update_provider_settings)),
        )
        .service(
            resource(base("providers/{slug}"))
                .route(get().to(provider::http::get_provider))
                .route(put().to(provider::http::update_provider))
                .route(patch().to(provider::http::update_provider))
                .route(delete().to(provider::admin_http::delete_provider)),
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
            resource(base("credentials/{id}"))
                .route(get().to(credential::http::get_credential))
                .route(patch().to(credential::change_http::update_credential))
                .route(delete().to(credential::change_http::delete_credential)),
        )
        .service(
            resource(base("credentials/{id}/rotate"))
                .route(post().to(credential::http::rotate_credential)),
        )
        .service(resource(base("logs")).route(get().to(log::http::list_logs)))
        .service(resource(base("logs/statistics")).route(get().to(log::http::get_log_statistics)))
        .service(resource(base("logs/{id}")).route(get().to(log::http::get_log)))
        .service(
            resource(base("webhooks"))
                .route(get().to(inbound::list_webhooks))
                .route(post().to(inbound::create_webhook)),
        )
        .service(resource(base("webhooks/health-check")).route(get().to(inbound::check_webhooks)))
        .service(
            resource(base("webhooks/{id}"))
                .route(get().to(inbound::get_webhook))
                .route(put().to(inbound::update_webhook))
                .route(patch().to(inbound::update_webhook))
                .route(delete().to(inbound::delete_webhook)),
        )
        .service(resource(base("webhooks/{id}/test")).route(post().to(inbound::test_webhook)))
        .service(
            resource(base("webhooks/{id}/rotate-secret"))
                .route(post().to(inbound::rotate_webhook_secret)),
        )
        .service(
            resource(base("webhook-rejections")).route(get().to(inbound::list_webhook_rejections)),
        )
        .service(
            resource(base("webhook-events/{id}")).route(get().to(event_http::get_webhook_event)),
        )
        .service(
            resource(base("webhook-events/{id}/replay"))
                .route(post().to(event_http::replay_webhook_event)),
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
        .configure(sms)
        .service(resource(base("ai/generate")).route(post().to(ai::public_http::generate_text)))
        .service(resource(base("ai/transcribe")).route(post().to(ai::audio_http::transcribe_audio)))
        .service(resource(base("ai/summarize")).route(post().to(ai::summary_http::summarize_text)))
        .configure(rate_limits)
        .configure(openai)
        .service(
            resource("/api/message/send").route(post().to(message::public_http::send_message)),
        );
}

fn outgoing(config: &mut ServiceConfig) {
    let base = |path: &str| format!("/api/integrations/{path}");
    config
        .service(
            resource(base("event-types"))
                .route(get().to(event_type_http::list_event_types))
                .route(post().to(event_type_http::create_event_type)),
        )
        .service(
            resource(base("event-types/{name}"))
                .route(delete().to(event_type_http::delete_event_type)),
        )
        .service(
            resource(base("endpoints"))
                .route(get().to(endpoint_http::list_endpoints))
                .route(post().to(endpoint_http::create_endpoint)),
        )
        .service(
            resource(base("endpoints/{id}"))
                .route(get().to(endpoint_http::get_endpoint))
                .route(patch().to(endpoint_http::update_endpoint))
                .route(delete().to(endpoint_http::delete_endpoint)),
        )
        .service(
            resource(base("endpoints/{id}/rotate-secret"))
                .route(post().to(endpoint_http::rotate_secret)),
        )
        .service(
            resource(base("endpoints/{id}/recover"))
                .route(post().to(endpoint_http::recover_endpoint)),
        )
        .service(
            resource(base("endpoints/{id}/send-example"))
                .route(post().to(endpoint_http::send_example)),
        )
        .service(
            resource(base("endpoints/{id}/deliveries"))
                .route(get().to(endpoint_http::list_endpoint_deliveries)),
        )
        .service(
            resource(base("endpoints/{id}/statistics"))
                .route(get().to(endpoint_http::get_endpoint_statistics)),
        )
        .service(
            resource(base("messages"))
                .route(get().to(message_http::list_webhook_messages))
                .route(post().to(message_http::create_webhook_message)),
        )
        .service(resource(base("messages/{id}")).route(get().to(message_http::get_webhook_message)))
        .service(
            resource(base("messages/{id}/attempts"))
                .route(get().to(message_http::list_webhook_attempts)),
        )
        .service(
            resource(base("messages/{id}/resend"))
                .route(post().to(message_http::resend_webhook_message)),
        );
}

/// Texts: fixed names before `{id}`.
fn sms(config: &mut ServiceConfig) {
    use message::{bulk_http, callback_http, list_http, refresh, settings_http};
    let base = |path: &str| format!("/api/integrations/{path}");
    config
        .service(resource(base("sms")).route(get().to(list_http::list_sms)))
        .service(resource(base("sms/bulk")).route(post().to(bulk_http::send_bulk)))
        .service(resource(base("sms/segments")).route(post().to(list_http::count_segments)))
        .service(
            resource(base("sms/settings"))
                .route(get().to(settings_http::get_settings))
                .route(put().to(settings_http::put_settings)),
        )
        .service(
            resource(base("sms/opt-outs"))
                .route(get().to(settings_http::list_opt_outs))
                .route(post().to(settings_http::add_opt_out)),
        )
        .service(
            resource(base("sms/opt-outs/{phone}"))
                .route(delete().to(settings_http::delete_opt_out)),
        )
        .service(resource(base("sms/callbacks")).route(get().to(callback_http::list_callbacks)))
        .service(
            resource(base("sms/callback/{provider}/{secret}/status"))
                .route(get().to(callback_http::receive_status))
                .route(post().to(callback_http::receive_status)),
        )
        .service(
            resource(base("sms/callback/{provider}/{secret}/inbound"))
                .route(get().to(callback_http::receive_inbound))
                .route(post().to(callback_http::receive_inbound)),
        )
        .service(resource(base("sms/{id}")).route(get().to(list_http::get_sms)))
        .service(resource(base("sms/{id}/refresh")).route(post().to(refresh::refresh_sms)))
        .service(
            resource(base("templates"))
                .route(get().to(template::http::list_templates))
                .route(post().to(template::http::create_template)),
        )
        .service(
            resource(base("templates/{id}"))
                .route(get().to(template::http::get_template))
                .route(patch().to(template::http::update_template))
                .route(delete().to(template::http::delete_template)),
        );
}

fn rate_limits(config: &mut ServiceConfig) {
    use rate_rule::http;
    let base = |path: &str| format!("/api/integrations/rate-limits{path}");
    config
        .service(
            resource(base(""))
                .route(get().to(http::list_rate_limits))
                .route(post().to(http::create_rate_limit)),
        )
        .service(resource(base("/dry-run")).route(post().to(http::dry_run_new_rate_limit)))
        .service(
            resource(base("/{id}"))
                .route(get().to(http::get_rate_limit))
                .route(put().to(http::update_rate_limit))
                .route(patch().to(http::update_rate_limit))
                .route(delete().to(http::delete_rate_limit)),
        )
        .service(resource(base("/{id}/dry-run")).route(get().to(http::dry_run_rate_limit)));
}

/// OpenAI's routes; what is not served answers in OpenAI's shape too.
fn openai(config: &mut ServiceConfig) {
    let other = || web::route().to(v1::error::no_method);
    config.service(
        web::scope("/v1")
            .service(
                resource("/chat/completions")
                    .route(post().to(v1::chat::create_chat_completion))
                    .default_service(other()),
            )
            .service(
                resource("/audio/transcriptions")
                    .route(post().to(v1::audio::create_transcription))
                    .default_service(other()),
            )
            .service(
                resource("/models")
                    .route(get().to(v1::models::list_models))
                    .default_service(other()),
            )
            .service(
                resource("/models/{model}")
                    .route(get().to(v1::models::get_model))
                    .default_service(other()),
            )
            .default_service(web::route().to(v1::error::no_route)),
    );
}

fn files(config: &mut ServiceConfig) {
    let base = |path: &str| format!("/api/integrations/files{path}");
    config
        .service(
            resource(base(""))
                .route(get().to(file::http::list_files))
                .route(post().to(file::http::upload_file)),
        )
        .service(
            resource(base("/tickets/{ticket}")).route(get().to(file::http::redeem_file_ticket)),
        )
        .service(
            resource(base("/{id}"))
                .route(get().to(file::http::get_file))
                .route(delete().to(file::http::delete_file)),
        )
        .service(resource(base("/{id}/content")).route(get().to(file::http::download_file)))
        .service(resource(base("/{id}/ticket")).route(post().to(file::http::create_file_ticket)));
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
