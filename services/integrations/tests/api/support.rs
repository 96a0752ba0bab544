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
/// How long an awaited state may take: far more than it does, for machines that do many things at once.
pub(crate) const SOON: Duration = Duration::from_secs(60);

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
    /// The other SMS vendors that are configured (`melipayamak`, `parsian`, `twilio`, `orange`).
    pub(crate) vendors: &'static [&'static str],
    /// Address of the mail server in which `{}` stands for the simulator's.
    pub(crate) smtp: Option<&'static str>,
    /// AI vendors that are configured, each its simulator.
    pub(crate) ai: Vec<String>,
    /// The organisation; a new one when absent.
    pub(crate) organization: Option<Uuid>,
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
            smtp_port: setup.smtp.map(|_| 0),
            ..Options::default()
        };
        let simulators = spawn(options).await.unwrap();
        let mut settings = ServiceSetup::new()
            .sealing()
            .set("peers.simulators", &simulators.base_url)
            .set("webhooks.payment_status_secret", WEBHOOK_SECRET)
            .set("messages.poll_ms", 50)
            // A statement of a busy machine is not a stuck one.
            .set("database.statement_timeout_ms", 60_000)
            .set("database.lock_timeout_ms", 60_000)
            .set(
                "kavenegar.base_url",
                format!("{}/kavenegar", simulators.base_url),
            );
        for vendor in ["melipayamak", "parsian", "twilio", "orange"] {
            let base_url = format!("{}/{vendor}", simulators.base_url);
            settings = settings.set(&format!("{vendor}.base_url"), base_url);
        }
        for (path, value) in setup.vendors.iter().flat_map(|vendor| account(vendor)) {
            settings = settings.set(path, value);
        }
        if let (Some(url), Some(address)) = (setup.smtp, simulators.state.smtp.address()) {
            settings = settings.set("smtp.url", url.replace("{}", &address.to_string()));
        }
        if setup.kavenegar {
            settings = settings.set("kavenegar.api_key", KAVENEGAR_KEY);
        }
        for vendor in &setup.ai {
            let base = match vendor.as_str() {
                "anthropic" => format!("{}/anthropic", simulators.base_url),
                other => format!("{}/{other}/v1", simulators.base_url),
            };
            settings = settings
                .set(&format!("{vendor}.api_key"), format!("{vendor}-key"))
                .set(&format!("{vendor}.base_url"), base);
        }
        for (path, value) in setup.settings {
            settings = settings.set(path, value);
        }
        let service = settings.start::<Integrations>().await;
        Self {
            service,
            simulators,
            organization: setup.organization.unwrap_or_else(Uuid::now_v7),
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

/// The account of a vendor's simulator.
fn account(vendor: &str) -> Vec<(&'static str, &'static str)> {
    match vendor {
        "melipayamak" => vec![
            ("melipayamak.username", "meli-user"),
            ("melipayamak.password", "meli-password"),
            ("melipayamak.from", "5000400010"),
        ],
        "parsian" => vec![("parsian.api_key", "parsian-token")],
        "twilio" => vec![
            ("twilio.account_sid", "AC00000000000000000000000000000001"),
            ("twilio.auth_token", "twilio-token"),
            ("twilio.from", "+15005550006"),
        ],
        "orange" => vec![
            ("orange.client_id", "orange-client"),
            ("orange.client_secret", "orange-secret"),
        ],
        other => panic!("no simulator of {other}"),
    }
}

impl World {
    /// A world of these SMS vendors without any stand-in.
    pub(crate) async fn with_vendors(vendors: &'static [&'static str]) -> Self {
        Self::with(Setup {
            vendors,
            settings: vec![("development.stand_ins", "false".to_owned())],
            ..Setup::default()
        })
        .await
    }

    /// Calls a public route as `token`.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        answer(
            self.service
                .request(method, path)
                .bearer_auth(token)
                .json(body),
        )
        .await
    }

    /// The first column of the first row of a query, as text.
    pub(crate) async fn text_of(&self, sql: &str) -> Option<String> {
        use diesel_async::RunQueryDsl;
        #[derive(diesel::QueryableByName)]
        struct One {
            #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
            value: Option<String>,
        }
        let mut conn = self.service.database.db.get().await.unwrap();
        let sql = format!("SELECT (q.v)::text AS value FROM ({sql}) q(v)");
        let rows: Vec<One> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
        rows.into_iter().next().and_then(|row| row.value)
    }

    /// State of the message with this key.
    pub(crate) async fn state_of(&self, key: &str) -> Option<String> {
        self.text_of(&format!(
            "SELECT state FROM messages WHERE idempotency_key = '{key}'"
        ))
        .await
    }

    /// Where a vendor posts, as path.
    pub(crate) async fn callback(&self, provider: &str, kind: &str) -> String {
        let (status, body) = self
            .call(
                "GET",
                "/api/integrations/sms/callbacks/",
                &self.superuser(),
                &Value::Null,
            )
            .await;
        assert_eq!(status, 200, "{body}");
        let all = body["results"].as_array().unwrap();
        let mine = all.iter().find(|one| one["provider"] == provider).unwrap();
        let url = mine[format!("{kind}_url")].as_str().unwrap();
        url.strip_prefix(PUBLIC_URL).unwrap().to_owned()
    }
}

/// The platform's address in tests with callbacks.
pub(crate) const PUBLIC_URL: &str = "https://clinic.example";

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
