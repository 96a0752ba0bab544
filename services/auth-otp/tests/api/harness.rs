//! One running service per test.

use std::collections::BTreeMap;
use std::time::Duration;

use auth_otp::{AppState, AuthOtp, MIGRATIONS};
use chrono::TimeDelta;
use common_types::clock::MovableClock;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use service_auth::testing::{ISSUER, PORTAL_ISSUER, TestIssuer};
use service_config::Sources;
use service_http::server::{self, Running};
use service_http::{Background, ServiceApp, ServiceDefinition, ServiceSettings, Stack};
use service_testing::{Prefix, TestDb};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) const PHONE: &str = "09121234567";
pub(crate) const E164: &str = "+989121234567";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct App {
    pub(crate) base: String,
    pub(crate) state: AppState,
    pub(crate) clock: MovableClock,
    pub(crate) inbox: MockServer,
    pub(crate) http: reqwest::Client,
    pub(crate) db: TestDb,
    pub(crate) prefix: Prefix,
    _running: Running,
    _background: Background,
}

/// An answer taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// Sorted keys of an object.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// `overrides` are environment variables without the prefix `AUTH_OTP__`.
    pub(crate) async fn start_with(overrides: &[(&str, &str)]) -> Self {
        let db = TestDb::create("auth-otp", MIGRATIONS).await;
        let prefix = Prefix::new();
        let inbox = MockServer::start().await;
        accept_messages(&inbox).await;
        let mut variables: BTreeMap<String, String> = [
            ("SERVER__PORT", "0"),
            ("DATABASE__URL", "postgres://unused@127.0.0.1/unused"),
            ("REDIS__URL", "redis://127.0.0.1:1/0"),
            ("AMQP__URL", "amqp://127.0.0.1:1/%2f"),
            ("AUTH__ISSUER", ISSUER),
            ("AUTH__PORTAL_ISSUER", PORTAL_ISSUER),
            ("AUTH__JWKS_URL", "http://127.0.0.1:9/jwks"),
            ("AUTH__PORTAL_JWKS_URL", "http://127.0.0.1:9/jwks"),
            ("AUTH__CLIENT_SECRET", KEY),
            ("AUTH__CLIENT_IP_KEY", KEY),
            ("AUTH__REVOCATION_POLL_MS", "200"),
            ("SEALING__ACTIVE_KEY_ID", "k1"),
            (
                "SEALING__KEYS__K1",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            ("TOKENS__REFRESH_KEY", KEY),
            ("CODES__KEY", KEY),
            (
                "CLIENTS__PATIENT_ACCESS",
                "a secret of the client patient-access",
            ),
            ("BUDGETS__IP_SENDS_PER_MINUTE", "100000"),
            ("BUDGETS__PHONE_SENDS_PER_MINUTE", "100000"),
            ("BUDGETS__IP_LOGINS_PER_MINUTE", "100000"),
            ("BUDGETS__IP_PER_HOUR", "100000"),
            ("BUDGETS__NETWORK_PER_HOUR", "100000"),
            ("BUDGETS__PREFIX_PER_HOUR", "100000"),
            ("SHIELD__SOURCE_FAILURES", "1000000"),
            ("BUDGETS__PHONE_PER_HOUR", "1000"),
            ("BUDGETS__PHONE_PER_DAY", "1000"),
        ]
        .into_iter()
        .chain(overrides.iter().copied())
        .map(|(name, value)| (format!("AUTH_OTP__{name}"), value.to_owned()))
        .collect();
        variables.insert("AUTH_OTP__PEERS__INTEGRATIONS".into(), inbox.uri());
        variables.insert("TABIB_ENVIRONMENT".into(), "test".into());
        let mut settings =
            service_http::cli::load::<AuthOtp>(Sources::from_map(variables)).unwrap();
        settings.database = db.settings();
        settings.redis = prefix.redis();
        settings.amqp = prefix.amqp();
        let clock = MovableClock::default();
        let stack = Stack::connect_with_clock("auth-otp", settings.common(), clock.shared())
            .await
            .unwrap();
        let state = AuthOtp::build(settings, stack.clone()).await.unwrap();
        let background = stack.start(AuthOtp::revocation_sources(&state));
        let running = server::spawn(ServiceApp::of::<AuthOtp>(stack, state.clone())).unwrap();
        state.keys.get().await.unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            base: running.base_url(),
            state,
            clock,
            inbox,
            http,
            db,
            prefix,
            _running: running,
            _background: background,
        }
    }

    /// A second process of the service on the same database, with the same keys: its address.
    pub(crate) async fn second_instance(&self) -> (String, Running) {
        let settings = self.state.settings.as_ref().clone();
        let clock = self.clock.shared();
        let stack = Stack::connect_with_clock("auth-otp", settings.common(), clock)
            .await
            .unwrap();
        let state = AuthOtp::build(settings, stack.clone()).await.unwrap();
        state.keys.get().await.unwrap();
        let running = server::spawn(ServiceApp::of::<AuthOtp>(stack, state)).unwrap();
        (running.base_url(), running)
    }

    /// A call from this address, as the gateway vouches for it.
    pub(crate) async fn post_from(
        &self,
        address: std::net::IpAddr,
        path: &str,
        body: Value,
    ) -> Answer {
        let header =
            service_auth::client_ip::sign(KEY.as_bytes(), address, self.state.stack.clock.now());
        let request = self
            .request(Method::POST, path)
            .header(service_auth::client_ip::HEADER, header);
        send(request.json(&body)).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    /// With a bearer token; no body when it is null.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> Answer {
        self.revocations_known().await;
        let request = self.request(method, path).bearer_auth(token);
        send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, Value::Null).await
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Sweeps codes as the job does.
    pub(crate) async fn sweep(&self) {
        let mut conn = self.db.db.get().await.unwrap();
        auth_otp::sweep(&mut conn, &self.state).await.unwrap();
    }

    /// A clock that jumps makes the last poll old: sensitive routes refuse until the next one.
    async fn revocations_known(&self) {
        service_testing::eventually(Duration::from_secs(60), async || {
            self.state.stack.verifier.require_fresh().is_ok()
        })
        .await;
    }

    /// The text of the last SMS to this E.164 number.
    pub(crate) async fn last_sms(&self, to: &str) -> Value {
        let requests = self.inbox.received_requests().await.unwrap();
        let bodies = requests
            .iter()
            .rev()
            .map(|request| request.body_json::<Value>().unwrap());
        bodies
            .into_iter()
            .find(|body| body["to"] == to)
            .expect("an SMS")
    }

    /// The code in the last SMS: its first run of digits.
    pub(crate) async fn code(&self, to: &str) -> String {
        let sms = self.last_sms(to).await;
        let text = sms["text"].as_str().unwrap();
        text.chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect()
    }

    /// Contexor's whole login; the verify answer.
    pub(crate) async fn log_in(&self, phone: &str) -> Value {
        let e164 = common_types::PhoneNumber::parse(phone)
            .unwrap()
            .e164()
            .to_owned();
        self.post("/api/auth/otp/request/", json!({"phone_number": phone}))
            .await
            .expect(200);
        let code = self.code(&e164).await;
        let answer = self
            .post(
                "/api/auth/otp/verify/",
                json!({"phone_number": phone, "code": code}),
            )
            .await;
        self.advance(61);
        self.settled().await;
        answer.expect(200)
    }

    /// After a jump of the clock: the revocations are known again, as sensitive routes demand.
    pub(crate) async fn settled(&self) {
        service_testing::eventually(Duration::from_secs(60), async || {
            self.state.stack.require_fresh_revocations().is_ok()
        })
        .await;
    }

    /// A fresh access token of somebody.
    pub(crate) async fn access(&self, phone: &str) -> String {
        text(&self.log_in(phone).await, "access")
    }

    /// A token of the service client `patient-access`.
    pub(crate) async fn service_token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=patient-access\
                    &client_secret=a+secret+of+the+client+patient-access";
        let request = self
            .request(Method::POST, "/api/auth/oauth/token/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        text(&send(request).await.expect(200), "access_token")
    }

    /// An issuer that signs with the service's own key.
    pub(crate) async fn issuer(&self) -> TestIssuer {
        let signer = self.state.keys.get().await.unwrap().signer().clone();
        TestIssuer::with_signers(
            signer,
            service_auth::Signer::generate().unwrap(),
            self.clock.shared(),
        )
    }
}

pub(crate) fn text(value: &Value, key: &str) -> String {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
        .to_owned()
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "{body}");
    Answer {
        status: status.as_u16(),
        headers,
        body,
    }
}

/// Waits until something is over: five seconds of looking, each look counted with a tenth of a second at most. What a loaded
/// machine makes a look wait longer is not the service's.
pub(crate) async fn within_five_seconds(mut is_over: impl AsyncFnMut() -> bool) {
    let mut left = Duration::from_secs(5);
    loop {
        let began = std::time::Instant::now();
        if is_over().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = left
            .checked_sub(began.elapsed().min(Duration::from_millis(100)))
            .expect("over within five seconds");
    }
}

/// Every SMS is taken.
pub(crate) async fn accept_messages(inbox: &MockServer) {
    let sent = json!({"message_id": uuid::Uuid::now_v7(), "state": "sent", "provider": "test"});
    Mock::given(method("POST"))
        .and(path("/internal/messages/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(sent))
        .mount(inbox)
        .await;
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}
