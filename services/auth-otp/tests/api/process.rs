//! The real program in a process of its own, on the database of a test: it can be killed and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use service_testing::{amqp_url, eventually, redis_url};

use crate::harness::{Answer, App, KEY, send, text};

pub(crate) struct Program {
    child: Child,
    pub(crate) base: String,
    http: reqwest::Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Program {
    /// What a command of the program prints; what it complains of when it fails.
    pub(crate) fn run(app: &App, words: &[&str]) -> Result<String, String> {
        let output = Self::command(app, &redis_url(), 0)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The program, set up for the test's database.
    fn command(app: &App, redis: &str, port: u16) -> Command {
        let settings = app.db.settings();
        let variables = [
            ("SERVER__PORT", port.to_string()),
            ("DATABASE__URL", settings.url.expose().to_owned()),
            ("REDIS__URL", redis.to_owned()),
            ("REDIS__PREFIX", app.prefix.as_str().to_owned()),
            ("AMQP__URL", amqp_url()),
            ("AMQP__PREFIX", app.prefix.as_str().to_owned()),
            ("AUTH__ISSUER", app.state.settings.auth.issuer.clone()),
            ("AUTH__CLIENT_SECRET", KEY.to_owned()),
            ("AUTH__CLIENT_IP_KEY", KEY.to_owned()),
            ("SEALING__ACTIVE_KEY_ID", "k1".to_owned()),
            (
                "SEALING__KEYS__K1",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
            ),
            ("TOKENS__REFRESH_KEY", KEY.to_owned()),
            ("CODES__KEY", KEY.to_owned()),
            ("PEERS__INTEGRATIONS", app.inbox.uri()),
            // Several logins of one person within a test's real seconds.
            (
                "CODES__PROFILES__LOGIN_S4__COOLDOWN_SECONDS",
                "0".to_owned(),
            ),
            ("BUDGETS__IP_SENDS_PER_MINUTE", "1000".to_owned()),
            ("BUDGETS__PHONE_SENDS_PER_MINUTE", "1000".to_owned()),
            ("BUDGETS__PHONE_PER_HOUR", "1000".to_owned()),
            ("BUDGETS__PHONE_PER_DAY", "1000".to_owned()),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tabib-auth-otp"));
        command.env_clear().env("TABIB_ENVIRONMENT", "test");
        for (name, value) in variables {
            command.env(format!("AUTH_OTP__{name}"), value);
        }
        command
    }

    /// Starts `serve` beside the test's own server, with Redis at `redis`; waits until it answers.
    pub(crate) async fn start(app: &App, redis: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Self::command(app, redis, port)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
        };
        let live = format!("{}/health/live", program.base);
        eventually(Duration::from_secs(60), async || {
            let answer = program.http.get(&live).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        program
    }

    /// SIGKILL: nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(Method::POST, url).json(body)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(path, &body)).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/auth/token/refresh/", json!({"refresh": token}))
            .await
    }

    pub(crate) async fn me(&self, token: &str) -> u16 {
        let url = format!("{}/api/auth/me/", self.base);
        send(self.http.get(url).bearer_auth(token)).await.status
    }

    /// Contexor's login, by the program alone.
    pub(crate) async fn log_in(&self, app: &App, phone: &str) -> Value {
        self.post("/api/auth/otp/request/", json!({"phone_number": phone}))
            .await
            .expect(200);
        let e164 = common_types::PhoneNumber::parse(phone).unwrap();
        let body = json!({"phone_number": phone, "code": app.code(e164.e164()).await});
        let login = self.post("/api/auth/otp/verify/", body).await.expect(200);
        assert!(!text(&login, "access").is_empty());
        login
    }
}
