//! Providers, credentials, templates and endpoints that settings describe. Idempotent, one process at a time; what an
//! operator changed (status, priority, name) stays.

use anyhow::Context;
use chrono::{DateTime, Utc};
use common_types::digits;
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_config::{Environment, Secret};
use service_db::DbError;
use uuid::Uuid;

use crate::{
    AppState, credential,
    providers::Adapter,
    schema::{message_templates, providers, webhook_endpoints},
    webhook,
};

/// Development key of the sandbox; production has no sandbox.
const SANDBOX_KEY: &str = "sandbox-key";
/// Development secret of `payment-status`; production must set its own.
const SANDBOX_WEBHOOK_SECRET: &str = "sandbox-webhook-secret";

struct Default {
    slug: &'static str,
    name: &'static str,
    provider_type: &'static str,
    adapter: Adapter,
    base_url: String,
    priority: i32,
    description: &'static str,
    documentation_url: &'static str,
    credentials: Vec<(&'static str, Secret)>,
    active: bool,
}

fn defaults(state: &AppState) -> Vec<Default> {
    let settings = &state.settings;
    let simulators = &state.stack.peers.simulators;
    let mut wanted = Vec::new();
    let mut add =
        |slug, name, provider_type, adapter, base_url: &str, priority, active, credentials| {
            wanted.push(Default {
                slug,
                name,
                provider_type,
                adapter,
                base_url: base_url.to_owned(),
                priority,
                description: description(adapter),
                documentation_url: documentation(adapter),
                credentials,
                active,
            });
        };
    let key = |key: &Option<Secret>| {
        key.iter()
            .map(|key| ("api_key", key.clone()))
            .collect::<Vec<_>>()
    };
    let kavenegar = &settings.kavenegar;
    let mut kavenegar_values = key(&kavenegar.api_key);
    kavenegar_values.push(("sender", Secret::new(kavenegar.sender.clone())));
    add(
        "kavenegar",
        "Kavenegar",
        "sms",
        Adapter::Kavenegar,
        &kavenegar.base_url,
        20,
        kavenegar.api_key.is_some(),
        kavenegar_values,
    );
    let mut smtp: Vec<_> = settings
        .smtp
        .url
        .iter()
        .map(|url| ("url", url.clone()))
        .collect();
    smtp.push(("from", Secret::new(settings.smtp.from.clone())));
    add(
        "smtp",
        "SMTP",
        "notification",
        Adapter::Smtp,
        "",
        20,
        settings.smtp.url.is_some(),
        smtp,
    );
    let openai = &settings.openai;
    add(
        "openai",
        "OpenAI",
        "ai",
        Adapter::OpenAi,
        &openai.base_url,
        20,
        openai.api_key.is_some(),
        key(&openai.api_key),
    );
    let talkbot = &settings.talkbot;
    add(
        "talkbot",
        "TalkBot",
        "ai",
        Adapter::TalkBot,
        &talkbot.base_url,
        30,
        talkbot.api_key.is_some(),
        key(&talkbot.api_key),
    );
    add(
        "medogram",
        "Medogram (BitPay)",
        "payment",
        Adapter::PaymentGateway,
        "https://api.medogram.ir",
        20,
        false,
        vec![],
    );
    if settings.stand_ins() {
        let sandbox = settings
            .development
            .sandbox_api_key
            .clone()
            .unwrap_or_else(|| Secret::new(SANDBOX_KEY));
        add(
            "development-inbox",
            "Development inbox (SMS)",
            "sms",
            Adapter::DevelopmentInbox,
            simulators,
            90,
            true,
            vec![],
        );
        add(
            "development-mail",
            "Development inbox (e-mail)",
            "notification",
            Adapter::DevelopmentInbox,
            simulators,
            90,
            true,
            vec![],
        );
        let base = format!("{simulators}/dev/sandbox");
        add(
            "sandbox",
            "Sandbox payments",
            "payment",
            Adapter::Sandbox,
            &base,
            90,
            true,
            vec![("api_key", sandbox)],
        );
        add(
            "tabib-extractive",
            "Tabib built-in text maker",
            "ai",
            Adapter::Extractive,
            "",
            90,
            true,
            vec![],
        );
    }
    wanted
}

fn description(adapter: Adapter) -> &'static str {
    match adapter {
        Adapter::Kavenegar => "SMS lines and templates of Kavenegar.",
        Adapter::Smtp => "E-mail through a mail server.",
        Adapter::OpenAi => "Chat completions of OpenAI.",
        Adapter::TalkBot => "Chat completions of TalkBot.",
        Adapter::DevelopmentInbox => {
            "Shows messages at /dev/inbox instead of sending them. Development only."
        }
        Adapter::Sandbox => "Payments without money. Development only.",
        Adapter::PaymentGateway => "Payments; its client lives in the payments service.",
        Adapter::Extractive => {
            "Drafts and summaries from the words it is given; no language model. Development only."
        }
    }
}

fn documentation(adapter: Adapter) -> &'static str {
    match adapter {
        Adapter::Kavenegar => "https://kavenegar.com/rest.html",
        Adapter::OpenAi => "https://platform.openai.com/docs/api-reference/chat",
        Adapter::TalkBot => "https://talkbot.ir",
        Adapter::Smtp
        | Adapter::DevelopmentInbox
        | Adapter::Sandbox
        | Adapter::PaymentGateway
        | Adapter::Extractive => "",
    }
}

/// Template keys with the texts used where a provider has no templates of its own.
const TEMPLATES: [(&str, &str); 3] = [
    ("verify", "کد تایید شما: %token"),
    ("patient-access-otp", "کد دسترسی پزشک به پرونده شما: %token"),
    ("otp-login", "کد ورود: %token"),
];

pub(crate) async fn ensure(state: &AppState) -> anyhow::Result<()> {
    let now = state.now();
    let wanted = defaults(state);
    state
        .stack
        .db
        .transaction(async |conn| {
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext('integrations.defaults'))")
                .execute(conn)
                .await?;
            for default in &wanted {
                let id = ensure_provider(conn, default, now).await?;
                for (key_name, value) in &default.credentials {
                    credential::store::ensure_default(
                        conn,
                        state,
                        id,
                        key_name,
                        value.expose(),
                        now,
                    )
                    .await?;
                }
            }
            if state.settings.environment == Environment::Production {
                retire_stand_ins(conn).await?;
            }
            ensure_templates(conn, now).await?;
            if let Some(secret) = payment_status_secret(state) {
                let slug = if state.settings.stand_ins() {
                    "sandbox"
                } else {
                    "payment-gateway"
                };
                ensure_endpoint(conn, state, slug, secret.expose(), now).await?;
            }
            Ok::<_, DbError>(())
        })
        .await
        .context("writing the default providers")?;
    state.registry.forget();
    Ok(())
}

fn payment_status_secret(state: &AppState) -> Option<Secret> {
    let set = state.settings.webhooks.payment_status_secret.clone();
    set.or_else(|| {
        (state.settings.environment != Environment::Production)
            .then(|| Secret::new(SANDBOX_WEBHOOK_SECRET))
    })
}

async fn ensure_provider(
    conn: &mut AsyncPgConnection,
    default: &Default,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    let status = if default.active { "active" } else { "inactive" };
    diesel::insert_into(providers::table)
        .values((
            providers::id.eq(Uuid::now_v7()),
            providers::name.eq(default.name),
            providers::slug.eq(default.slug),
            providers::provider_type.eq(default.provider_type),
            providers::status.eq(status),
            providers::adapter.eq(default.adapter.as_str()),
            providers::description.eq(default.description),
            providers::api_base_url.eq(&default.base_url),
            providers::documentation_url.eq(default.documentation_url),
            providers::priority.eq(default.priority),
            providers::created_at.eq(now),
            providers::updated_at.eq(now),
        ))
        .on_conflict(providers::slug)
        .do_update()
        .set(providers::api_base_url.eq(excluded(providers::api_base_url)))
        .execute(conn)
        .await?;
    if default.active {
        // A key that was given since makes a provider usable that never was in use.
        diesel::update(
            providers::table
                .filter(providers::slug.eq(default.slug))
                .filter(providers::version.eq(1)),
        )
        .set(providers::status.eq("active"))
        .execute(conn)
        .await?;
    }
    providers::table
        .filter(providers::slug.eq(default.slug))
        .select(providers::id)
        .first(conn)
        .await
}

/// A database that once served development may know stand-ins; in production they are switched off.
async fn retire_stand_ins(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let adapters: Vec<&str> = Adapter::ALL
        .into_iter()
        .filter(|adapter| adapter.is_stand_in())
        .map(Adapter::as_str)
        .collect();
    let retired = diesel::update(
        providers::table
            .filter(providers::adapter.eq_any(adapters))
            .filter(providers::status.ne("inactive")),
    )
    .set((
        providers::status.eq("inactive"),
        providers::version.eq(providers::version + 1),
    ))
    .execute(conn)
    .await?;
    if retired > 0 {
        tracing::warn!(retired, "development stand-ins were switched off");
    }
    Ok(())
}

async fn ensure_templates(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<()> {
    for (key, text) in TEMPLATES {
        for (provider_slug, value) in [("", text), ("kavenegar", key)] {
            diesel::insert_into(message_templates::table)
                .values((
                    message_templates::id.eq(Uuid::now_v7()),
                    message_templates::key.eq(key),
                    message_templates::provider_slug.eq(provider_slug),
                    message_templates::value.eq(value),
                    message_templates::updated_at.eq(now),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
        }
    }
    Ok(())
}

/// The endpoint of contract Y05.
async fn ensure_endpoint(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    provider_slug: &str,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let provider: Option<Uuid> = providers::table
        .filter(providers::slug.eq(provider_slug))
        .select(providers::id)
        .first(conn)
        .await
        .optional()?;
    let provider_id = match provider {
        Some(id) => id,
        None => {
            let gateway = Default {
                slug: "payment-gateway",
                name: "Payment gateway",
                provider_type: "payment",
                adapter: Adapter::PaymentGateway,
                base_url: String::new(),
                priority: 100,
                description: "Posts payment results.",
                documentation_url: "",
                credentials: Vec::new(),
                active: false,
            };
            ensure_provider(conn, &gateway, now).await?
        }
    };
    let known: Option<(Uuid, String)> = webhook_endpoints::table
        .filter(webhook_endpoints::endpoint_url.eq("payment-status"))
        .select((webhook_endpoints::id, webhook_endpoints::secret_sealed))
        .first(conn)
        .await
        .optional()?;
    let id = known.as_ref().map_or_else(Uuid::now_v7, |(id, _)| *id);
    if let Some((_, sealed)) = &known
        && state
            .open("webhook_endpoints", id, "secret_sealed", sealed)
            .is_ok_and(|current| current == secret)
    {
        return Ok(());
    }
    let sealed = state.seal("webhook_endpoints", id, "secret_sealed", secret.as_bytes());
    webhook::store::upsert_endpoint(
        conn,
        webhook::store::NewEndpoint {
            id,
            provider_id,
            organization_id: None,
            name: "Payment Status".to_owned(),
            endpoint_url: "payment-status".to_owned(),
            secret_sealed: sealed,
            events: vec!["payment.success".to_owned(), "payment.failed".to_owned()],
            is_active: true,
            retry_count: 3,
            timeout_seconds: 30,
            created_at: now,
            updated_at: now,
        },
    )
    .await?;
    Ok(())
}

/// Persian and Arabic digits of a caller's phone number, before anything is compared.
pub(crate) fn ascii(text: &str) -> String {
    digits::to_ascii(text)
}
