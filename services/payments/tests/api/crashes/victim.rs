//! The real program as a process of its own, and what it stands on.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use service_testing::eventually;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Clinic, PATIENCE};

/// How long a process may take to come to its point.
const LIFE: Duration = Duration::from_secs(120);

/// A process of the real program.
pub(super) struct Victim {
    child: Child,
    pub(super) port: u16,
}

impl Victim {
    /// `serve` or `worker`, dying at the named point.
    pub(super) async fn start(
        clinic: &Clinic,
        jwks: &MockServer,
        command: &str,
        point: &str,
    ) -> Self {
        let victim = Self::spawn(clinic, jwks, command, (free_port(), Some(point)));
        if command == "serve" {
            victim.is_ready().await;
        }
        victim
    }

    /// The same on a port, with or without a point, before it is ready.
    pub(super) fn spawn(
        clinic: &Clinic,
        jwks: &MockServer,
        command: &str,
        (port, point): (u16, Option<&str>),
    ) -> Self {
        let (serve_port, worker_port) = match command {
            "worker" => (free_port(), port),
            _ => (port, free_port()),
        };
        let settings = clinic.service.database.settings();
        let prefix = clinic.service.prefix.as_str().to_owned();
        let key = format!("{}/jwks/", jwks.uri());
        let mut program = Command::new(env!("CARGO_BIN_EXE_tabib-payments"));
        program
            .arg(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(point) = point {
            program.env(service_db::crash::VARIABLE, point);
        }
        let addresses = [
            "AUTH_OTP",
            "PATIENT_ACCESS",
            "PAYMENTS",
            "CONTENT",
            "INTEGRATIONS",
            "CHAT",
            "GATEWAY",
            "SIMULATORS",
        ];
        for name in addresses {
            program.env(format!("PAYMENTS__PEERS__{name}"), "http://127.0.0.1:9");
        }
        for (name, value) in [
            ("ENVIRONMENT", "test".to_owned()),
            ("SERVER__HOST", "127.0.0.1".to_owned()),
            ("SERVER__PORT", serve_port.to_string()),
            ("SERVER__WORKER_PORT", worker_port.to_string()),
            ("SERVER__PUBLIC_URL", "http://tabib.test".to_owned()),
            ("DATABASE__MAX_CONNECTIONS", "8".to_owned()),
            ("RULES__STARTS_PER_MINUTE", "100000".to_owned()),
            ("RULES__HINTS_PER_MINUTE", "100000".to_owned()),
            ("RULES__VELOCITY__PAYER_PER_HOUR", "1000000".to_owned()),
            ("RULES__VELOCITY__DOCTOR_PER_HOUR", "1000000".to_owned()),
            ("RULES__VELOCITY__ADDRESS_PER_HOUR", "1000000".to_owned()),
            ("DATABASE__URL", settings.url.expose().to_owned()),
            ("REDIS__URL", service_testing::redis_url()),
            ("REDIS__PREFIX", prefix.clone()),
            ("AMQP__URL", service_testing::amqp_url()),
            ("AMQP__PREFIX", prefix),
            ("PEERS__PORTAL", clinic.portal.uri()),
            ("SANDBOX__BASE_URL", clinic.provider.base_url.clone()),
            ("SANDBOX__API_KEY", "sandbox-key".to_owned()),
            ("AUTH__ISSUER", service_auth::testing::ISSUER.to_owned()),
            (
                "AUTH__PORTAL_ISSUER",
                service_auth::testing::PORTAL_ISSUER.to_owned(),
            ),
            ("AUTH__JWKS_URL", key.clone()),
            ("AUTH__PORTAL_JWKS_URL", key),
            (
                "AUTH__REVOCATIONS_URL",
                format!("{}/revocations", jwks.uri()),
            ),
            (
                "AUTH__PORTAL_REVOCATIONS_URL",
                format!("{}/revocations", jwks.uri()),
            ),
            ("AUTH__TOKEN_URL", format!("{}/token/", jwks.uri())),
            ("AUTH__CLIENT_ID", "payments".to_owned()),
            (
                "AUTH__CLIENT_SECRET",
                "test-client-secret-of-32-characters".to_owned(),
            ),
            (
                "AUTH__CLIENT_IP_KEY",
                "test-client-ip-key-of-32-characters".to_owned(),
            ),
        ] {
            program.env(format!("PAYMENTS__{name}"), value);
        }
        Self {
            child: program.spawn().unwrap(),
            port,
        }
    }

    /// Waits until it has started.
    pub(super) async fn is_ready(&self) {
        let ready = format!("http://127.0.0.1:{}/health/ready", self.port);
        eventually(PATIENCE, async || {
            reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Posts to the process; it dies before it answers.
    pub(super) async fn post(&self, path: &str, token: &str, key: &str, body: &Value) {
        let request = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}{path}", self.port))
            .bearer_auth(token)
            .header("Idempotency-Key", key)
            .json(body);
        if let Ok(answer) = request.send().await {
            panic!(
                "the process answered {path}: {}",
                answer.text().await.unwrap()
            );
        }
    }

    /// kill -9.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the abort.
    pub(super) async fn dies(mut self, point: &str) {
        let end = Instant::now() + LIFE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(6), "{point}: {status}");
                return;
            }
            assert!(Instant::now() < end, "{point} was not visited");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request that is asked again while PostgreSQL has not noticed yet that the process which held its key is dead.
pub(super) async fn answered(
    clinic: &Clinic,
    (path, token): (&str, &str),
    key: &str,
    body: &Value,
) -> (u16, Vec<u8>) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = clinic.keyed(path, token, key, body).await;
        let status = answer.status().as_u16();
        let said = answer.bytes().await.unwrap().to_vec();
        let running =
            status == 409 && String::from_utf8_lossy(&said).contains("idempotency.in_flight");
        if !(running || status == 503) {
            return (status, said);
        }
        assert!(Instant::now() < end, "{path} is still running");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A port of the loopback that nobody listens at.
pub(super) fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// What auth-otp answers the real program.
pub(super) async fn issuer(clinic: &Clinic) -> MockServer {
    let server = MockServer::start().await;
    let keys = serde_json::to_value(clinic.service.issuer.jwks()).unwrap();
    Mock::given(path("/jwks/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(keys))
        .mount(&server)
        .await;
    let none = json!({"cursor": 0, "revocations": []});
    Mock::given(path("/revocations"))
        .respond_with(ResponseTemplate::new(200).set_body_json(none))
        .mount(&server)
        .await;
    let token = clinic.service.issuer.service("payments");
    let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 300});
    Mock::given(path("/token/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    server
}
