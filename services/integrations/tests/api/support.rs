//! A running service with its simulators, and the people who call it.

use std::time::Duration;

use common_types::{AccessClaims, ClinicRole};
use integrations::Integrations;
use provider_simulators::{Options, Running, spawn};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use service_testing::{ServiceSetup, TestService};
use uuid::Uuid;

/// Secret of the seeded endpoint `payment-status` in these tests.
pub(crate) const WEBHOOK_SECRET: &str = "canary-webhook-secret";
/// Key of the Kavenegar simulator.
pub(crate) const KAVENEGAR_KEY: &str = "canary-kavenegar-key";
/// How long an awaited state may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The service, its simulators, one organisation and its admin.
pub(crate) struct World {
    pub(crate) service: TestService<Integrations>,
    pub(crate) simulators: Running,
    pub(crate) organization: Uuid,
}

/// What differs from the usual world.
#[derive(Default)]
pub(crate) struct Setup {
    /// Kavenegar is configured and tried before the inbox.
    pub(crate) kavenegar: bool,
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with_kavenegar() -> Self {
        Self::with(Setup {
            kavenegar: true,
            ..Setup::default()
        })
        .await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let options = Options {
            kavenegar_api_key: KAVENEGAR_KEY.to_owned(),
            ..Options::default()
        };
        let simulators = spawn(options).await.unwrap();
        let mut settings = ServiceSetup::new()
            .sealing()
            .set("peers.simulators", &simulators.base_url)
            .set("webhooks.payment_status_secret", WEBHOOK_SECRET)
            .set("messages.poll_ms", 50)
            .set(
                "kavenegar.base_url",
                format!("{}/kavenegar", simulators.base_url),
            );
        if setup.kavenegar {
            settings = settings.set("kavenegar.api_key", KAVENEGAR_KEY);
        }
        for (path, value) in setup.settings {
            settings = settings.set(path, value);
        }
        let service = settings.start::<Integrations>().await;
        Self {
            service,
            simulators,
            organization: Uuid::now_v7(),
        }
    }

    /// A token; `change` gives it its role.
    pub(crate) fn token(&self, change: impl FnOnce(&mut AccessClaims)) -> String {
        let organization = self.organization;
        self.service.issuer.access(|claims| {
            claims.org = Some(organization);
            claims.clinic_role = None;
            claims.content_role = None;
            claims.superuser = false;
            change(claims);
        })
    }

    pub(crate) fn staff(&self, role: ClinicRole) -> String {
        self.token(|claims| claims.clinic_role = Some(role))
    }

    pub(crate) fn admin(&self) -> String {
        self.staff(ClinicRole::Admin)
    }

    pub(crate) fn superuser(&self) -> String {
        self.token(|claims| claims.superuser = true)
    }

    pub(crate) fn as_service(&self, name: &str, path: &str, body: &Value) -> RequestBuilder {
        self.service
            .post(path)
            .bearer_auth(self.service.issuer.service(name))
            .json(body)
    }

    /// Hands a message over as auth-otp would.
    pub(crate) async fn send(&self, body: &Value) -> (u16, Value) {
        answer(self.as_service("auth-otp", "/internal/messages/", body)).await
    }

    /// Messages that the inbox shows for a recipient.
    pub(crate) fn inbox(&self, to: &str) -> Vec<String> {
        let (_, messages) = self.simulators.state.inbox.list(Some(to), None, 1, 100);
        messages.into_iter().map(|message| message.text).collect()
    }
}

/// Status and body of an answer; a body that is no JSON is null.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

/// A text message as its owner composes it.
pub(crate) fn sms(key: &str, mode: &str, purpose: &str, text: &str) -> Value {
    json!({"idempotency_key": key, "channel": "sms", "to": "09120000010", "language": "fa", "text": text,
        "purpose": purpose, "mode": mode, "reference": "ref-1"})
}
