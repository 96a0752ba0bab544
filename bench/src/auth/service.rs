//! Our service as a program.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::postgres::Postgres;
use super::stub::Stub;
use crate::process::{Process, free_port};

const KEY: &str = "a key of the benchmark, thirty-two bytes";
/// Callers come from so many addresses, each in a network of its own.
const ADDRESSES: u32 = 2_000;

/// The running service.
pub(super) struct Service {
    process: Process,
}

impl Service {
    /// Migrates a database of its own and serves from it. Limits are so wide that the load stays below them; every one of
    /// them is asked.
    pub(super) async fn start(
        binaries: &Path,
        folder: &Path,
        postgres: &Postgres,
        redis: &str,
        stub: &Stub,
    ) -> Result<Self> {
        let program = binaries.join("tabib-auth-otp");
        ensure!(
            program.is_file(),
            "{} is missing: run make bench",
            program.display()
        );
        postgres.create("auth").await?;
        let port = free_port().await?;
        let wide = "100000000".to_owned();
        let settings: Vec<(&str, String)> = vec![
            ("ENVIRONMENT", "test".into()),
            ("SERVER__PORT", port.to_string()),
            ("DATABASE__URL", postgres.url("auth")),
            ("DATABASE__MAX_CONNECTIONS", "32".into()),
            ("REDIS__URL", redis.to_owned()),
            ("AMQP__URL", "amqp://127.0.0.1:1/%2f".into()),
            ("AUTH__ISSUER", "https://bench.example".into()),
            ("AUTH__JWKS_URL", "http://127.0.0.1:1/jwks".into()),
            ("AUTH__PORTAL_JWKS_URL", "http://127.0.0.1:1/jwks".into()),
            ("AUTH__CLIENT_SECRET", KEY.into()),
            ("AUTH__CLIENT_IP_KEY", KEY.into()),
            ("SEALING__ACTIVE_KEY_ID", "k1".into()),
            (
                "SEALING__KEYS__K1",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(),
            ),
            ("TOKENS__REFRESH_KEY", KEY.into()),
            ("CODES__KEY", KEY.into()),
            ("CODES__PROFILES__LOGIN_S2__COOLDOWN_SECONDS", "0".into()),
            ("PEERS__INTEGRATIONS", format!("http://{}", stub.address)),
            ("BUDGETS__IP_SENDS_PER_MINUTE", wide.clone()),
            ("BUDGETS__PHONE_SENDS_PER_MINUTE", wide.clone()),
            ("BUDGETS__IP_LOGINS_PER_MINUTE", wide.clone()),
            ("BUDGETS__IP_PER_HOUR", wide.clone()),
            ("BUDGETS__NETWORK_PER_HOUR", wide.clone()),
            ("BUDGETS__PREFIX_PER_HOUR", wide.clone()),
            ("BUDGETS__GLOBAL_PER_HOUR", wide),
            ("SHIELD__RIAL_PER_HOUR", "1000000000000".into()),
            ("SHIELD__RIAL_PER_DAY", "1000000000000".into()),
        ];
        let command = |verb: &str| {
            let mut command = Command::new(&program);
            command.arg(verb).env_clear();
            for (key, value) in &settings {
                command.env(format!("AUTH_OTP__{key}"), value);
            }
            command.env("RUST_LOG", "warn").kill_on_drop(true);
            command
        };
        let migrated = command("migrate").output().await?;
        ensure!(
            migrated.status.success(),
            "the migration failed: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        let process = Process::start(command("serve"), port, &folder.join("auth-otp.log")).await?;
        Ok(Self { process })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.process.address
    }

    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.process.cpu_seconds()
    }

    /// Headers of many clients, fresh: they are believed for a minute.
    pub(super) fn addresses(&self) -> Vec<String> {
        let now = chrono::Utc::now();
        let sign = |n: u32| {
            let ip = IpAddr::V4(Ipv4Addr::from((10 << 24) | (n << 8) | 1));
            service_auth::client_ip::sign(KEY.as_bytes(), ip, now)
        };
        (0..ADDRESSES).map(sign).collect()
    }

    /// A code is sent once, counts once and logs in; a wrong one does not.
    pub(super) async fn check(&self, stub: &Stub) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let base = format!("http://{}", self.address());
        let post = async |path: &str, body: Value| -> Result<(u16, Value)> {
            let answer = client
                .post(format!("{base}{path}"))
                .json(&body)
                .send()
                .await?;
            let status = answer.status().as_u16();
            Ok((status, answer.json().await.unwrap_or_default()))
        };
        let number = "09360000001";
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let (status, body) = post("/api/otp/send/", json!({"mobile_number": number})).await?;
            if status == 200 {
                break;
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "our service answers {status}: {body}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        let code = stub.code("+989360000001")?;
        let wrong = if code.starts_with('1') { "2" } else { "1" };
        let wrong = format!("{wrong}{}", &code[1..]);
        for (typed, expected) in [(&wrong, 401), (&code, 200), (&code, 401)] {
            let body = json!({"mobile_number": number, "code": typed});
            let (status, body) = post("/api/authenticate/", body).await?;
            ensure!(status == expected, "{status} instead of {expected}: {body}");
        }
        Ok(())
    }
}
