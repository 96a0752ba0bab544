//! The endpoints at which payment providers report: `payment-status` (contract Y05), and one for each provider that signs
//! in its own way.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_config::{Environment, Secret};
use service_db::DbError;
use uuid::Uuid;

use super::{Default, ensure_provider};
use crate::{
    AppState,
    providers::Adapter,
    schema::{providers, webhook_endpoints},
    webhook,
};

/// Development secret of `payment-status`; production must set its own.
const SANDBOX_WEBHOOK_SECRET: &str = "sandbox-webhook-secret";

/// The secret with which payment providers sign, if there is one.
fn payment_status_secret(state: &AppState) -> Option<Secret> {
    let set = state.settings.webhooks.payment_status_secret.clone();
    set.or_else(|| {
        (state.settings.environment != Environment::Production)
            .then(|| Secret::new(SANDBOX_WEBHOOK_SECRET))
    })
}

/// An endpoint that settings describe.
struct Wanted {
    provider_slug: &'static str,
    name: &'static str,
    endpoint_url: &'static str,
    secret: Secret,
    scheme: &'static str,
    events: &'static [&'static str],
}

/// What Stripe and Wave tell about checkout sessions; a refund is asked about, not told.
const CHECKOUT_EVENTS: &[&str] = &["checkout.session.*"];

fn wanted(state: &AppState) -> Vec<Wanted> {
    let webhooks = &state.settings.webhooks;
    let own = |provider_slug, name, secret: &Option<Secret>| {
        secret.clone().map(|secret| Wanted {
            provider_slug,
            name,
            endpoint_url: provider_slug,
            secret,
            scheme: provider_slug,
            events: CHECKOUT_EVENTS,
        })
    };
    let payment_status = payment_status_secret(state).map(|secret| Wanted {
        provider_slug: if state.settings.stand_ins() {
            "sandbox"
        } else {
            "payment-gateway"
        },
        name: "Payment Status",
        endpoint_url: "payment-status",
        secret,
        scheme: "auto",
        events: &["payment.success", "payment.failed"],
    });
    [
        payment_status,
        own("stripe", "Stripe", &webhooks.stripe_secret),
        own("wave", "Wave", &webhooks.wave_secret),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every endpoint that settings describe, with the secret that they give.
pub(super) async fn ensure_endpoints(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    for one in wanted(state) {
        ensure_endpoint(conn, state, &one, now).await?;
    }
    Ok(())
}

async fn ensure_endpoint(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let secret = wanted.secret.expose();
    let provider: Option<Uuid> = providers::table
        .filter(providers::slug.eq(wanted.provider_slug))
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
                settings: serde_json::json!({}),
            };
            ensure_provider(conn, &gateway, now).await?
        }
    };
    let known: Option<(Uuid, String)> = webhook_endpoints::table
        .filter(webhook_endpoints::endpoint_url.eq(wanted.endpoint_url))
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
            name: wanted.name.to_owned(),
            endpoint_url: wanted.endpoint_url.to_owned(),
            secret_sealed: sealed,
            events: wanted
                .events
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            is_active: true,
            retry_count: 3,
            timeout_seconds: 30,
            scheme: wanted.scheme.to_owned(),
            scheme_options: serde_json::json!({}),
            tolerance_seconds: None,
            legacy_replies: false,
            created_at: now,
            updated_at: now,
        },
    )
    .await?;
    Ok(())
}
