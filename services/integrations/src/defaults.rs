//! Providers, credentials, templates and endpoints that settings describe. Idempotent, one process at a time; what an
//! operator changed (status, priority, name) stays.

mod endpoint;
mod sms;

pub(crate) use sms::EMAIL;

use anyhow::Context;
use chrono::{DateTime, Utc};
use common_types::digits;
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_config::{Environment, Secret};
use service_db::DbError;
use uuid::Uuid;

use crate::{AppState, credential, providers::Adapter, schema::providers};

/// Development key of the sandbox; production has no sandbox.
const SANDBOX_KEY: &str = "sandbox-key";

/// Whose keys are kept here for the payments service: slug, name, address, priority.
const PAYMENT_VENDORS: [(&str, &str, &str, i32); 5] = [
    (
        "medogram",
        "Medogram (BitPay)",
        "https://api.medogram.ir",
        20,
    ),
    ("zarinpal", "ZarinPal", "https://payment.zarinpal.com", 30),
    ("payping", "PayPing", "https://api.payping.ir", 40),
    ("stripe", "Stripe", "https://api.stripe.com", 50),
    ("wave", "Wave", "https://api.wave.com", 60),
];

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
    /// How it works; kept as an operator changed it.
    settings: serde_json::Value,
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
                settings: sms::settings_of(state, adapter),
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
    for vendor in sms::vendors(settings) {
        add(
            vendor.slug,
            vendor.name,
            "sms",
            vendor.adapter,
            vendor.base_url,
            vendor.priority,
            vendor.active,
            vendor.credentials,
        );
    }
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
    let anthropic = &settings.anthropic;
    add(
        "anthropic",
        "Anthropic",
        "ai",
        Adapter::Anthropic,
        &anthropic.base_url,
        40,
        anthropic.api_key.is_some(),
        key(&anthropic.api_key),
    );
    for (slug, name, base_url, priority) in PAYMENT_VENDORS {
        let gateway = Adapter::PaymentGateway;
        add(
            slug,
            name,
            "payment",
            gateway,
            base_url,
            priority,
            false,
            vec![],
        );
    }
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
        Adapter::MeliPayamak => "SMS lines and templates of MeliPayamak.",
        Adapter::Parsian => "SMS templates of Parsian.",
        Adapter::Twilio => "SMS of Twilio, to any country.",
        Adapter::Orange => "SMS of Orange, to Senegal.",
        Adapter::HttpSms => "SMS of any HTTP service, by configuration.",
        Adapter::Smtp => "E-mail through a mail server.",
        Adapter::OpenAi => "Chat completions of OpenAI.",
        Adapter::TalkBot => "Chat completions of TalkBot.",
        Adapter::Anthropic => "Messages of Anthropic.",
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
        Adapter::MeliPayamak => "https://www.melipayamak.com/api/",
        Adapter::Twilio => "https://www.twilio.com/docs/messaging/api",
        Adapter::Orange => "https://developer.orange.com/apis/sms",
        Adapter::OpenAi => "https://platform.openai.com/docs/api-reference/chat",
        Adapter::TalkBot => "https://talkbot.ir",
        Adapter::Anthropic => "https://docs.anthropic.com/en/api/messages",
        Adapter::Parsian
        | Adapter::HttpSms
        | Adapter::Smtp
        | Adapter::DevelopmentInbox
        | Adapter::Sandbox
        | Adapter::PaymentGateway
        | Adapter::Extractive => "",
    }
}

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
            sms::ensure_templates(conn, &state.settings, now).await?;
            sms::ensure_callbacks(conn, state, now).await?;
            endpoint::ensure_endpoints(conn, state, now).await?;
            Ok::<_, DbError>(())
        })
        .await
        .context("writing the default providers")?;
    state.registry.forget();
    Ok(())
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
            providers::settings.eq(&default.settings),
            providers::created_at.eq(now),
            providers::updated_at.eq(now),
        ))
        .on_conflict(providers::slug)
        .do_update()
        .set(providers::api_base_url.eq(excluded(providers::api_base_url)))
        .execute(conn)
        .await?;
    diesel::update(
        providers::table
            .filter(providers::slug.eq(default.slug))
            .filter(providers::version.eq(1)),
    )
    .set(providers::settings.eq(&default.settings))
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

/// Persian and Arabic digits of a caller's phone number, before anything is compared.
pub(crate) fn ascii(text: &str) -> String {
    digits::to_ascii(text)
}
