//! Our two services as programs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::process::Command;

use super::issuer::{ISSUER, Issuer};
use super::{Ground, payment, sql};
use crate::load::Request;
use crate::process::{Process, free_port};

const KEY: &str = "a key of the benchmark, thirty-two bytes";
/// Secret of the provider's endpoint.
const SECRET: &str = "webhook-secret-of-the-benchmark";
/// No limit is reached, every one is asked.
const WIDE: &str = "100000000";

/// A provider's word about a payment, signed, each with an id of its own.
pub(super) fn webhook(number: usize) -> Request {
    let body = format!(
        "{{\"event_id\":\"evt_{number:012}\",\"event\":\"payment.success\",\"data\":{{\"payment_id\":\"pay_{number:012}\",\
         \"order_id\":\"01900000-0000-7000-8000-{number:012}\",\"amount\":250000,\"currency\":\"IRR\",\"status\":\"paid\"}}}}"
    );
    let signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
        .map(|mut mac| {
            mac.update(body.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        })
        .unwrap_or_default();
    Request {
        path: "/api/integrations/webhook/payment-status/".to_owned(),
        body,
        headers: vec![("x-signature", signature)],
    }
}

/// The running integrations.
pub(super) struct Integrations {
    pub(super) process: Process,
}

/// The running payments.
pub(super) struct Payments {
    pub(super) process: Process,
}

/// Migrates a database of its own and serves from it.
async fn start(
    binaries: &Path,
    (folder, postgres, redis): Ground<'_>,
    (name, database): (&str, &str),
    own: &[(&str, String)],
) -> Result<Process> {
    let program = binaries.join(format!("tabib-{name}"));
    ensure!(
        program.is_file(),
        "{} is missing: run make bench",
        program.display()
    );
    postgres.create(database).await?;
    let port = free_port().await?;
    let mut settings: Vec<(&str, String)> = vec![
        ("ENVIRONMENT", "test".into()),
        ("SERVER__PORT", port.to_string()),
        ("SERVER__PUBLIC_URL", "http://bench.example".into()),
        ("DATABASE__URL", postgres.url(database)),
        ("DATABASE__MAX_CONNECTIONS", "32".into()),
        ("REDIS__URL", redis.to_owned()),
        ("AMQP__URL", "amqp://127.0.0.1:1/%2f".into()),
        ("AUTH__ISSUER", ISSUER.into()),
        ("AUTH__CLIENT_SECRET", KEY.into()),
        ("AUTH__CLIENT_IP_KEY", KEY.into()),
    ];
    settings.extend(own.iter().cloned());
    let command = |verb: &str| {
        let mut command = Command::new(&program);
        command.arg(verb).env_clear();
        for (key, value) in &settings {
            command.env(format!("{}__{key}", name.to_uppercase()), value);
        }
        command.env("RUST_LOG", "warn").kill_on_drop(true);
        command
    };
    let migrated = command("migrate").output().await?;
    ensure!(
        migrated.status.success(),
        "the migration of {name} failed: {}{}",
        String::from_utf8_lossy(&migrated.stdout),
        String::from_utf8_lossy(&migrated.stderr)
    );
    Process::start(command("serve"), port, &folder.join(format!("{name}.log"))).await
}

/// Sends a request until it is answered with that status: a service that has just started fetches its keys first.
async fn send(process: &Process, request: &Request, wanted: u16) -> Result<Value> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let mut message = client
            .post(format!("http://{}{}", process.address, request.path))
            .header("content-type", "application/json")
            .body(request.body.clone());
        for (name, value) in &request.headers {
            message = message.header(*name, value);
        }
        let answer = message.send().await?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        if status == wanted {
            return Ok(body);
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "{} answers {status} instead of {wanted}: {body}",
            request.path
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Integrations {
    pub(super) async fn start(binaries: &Path, ground: Ground<'_>) -> Result<Self> {
        let nowhere = "http://127.0.0.1:1/jwks".to_owned();
        let own = [
            ("AUTH__JWKS_URL", nowhere.clone()),
            ("AUTH__PORTAL_JWKS_URL", nowhere),
            ("SEALING__ACTIVE_KEY_ID", "k1".into()),
            (
                "SEALING__KEYS__K1",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(),
            ),
            ("WEBHOOKS__PAYMENT_STATUS_SECRET", SECRET.into()),
        ];
        let names = ("integrations", sql::INTEGRATIONS);
        let process = start(binaries, ground, names, &own).await?;
        Ok(Self { process })
    }

    /// A signed webhook is taken, a forged one is not.
    pub(super) async fn check(&self) -> Result<()> {
        // Beyond the numbers of the load.
        let good = webhook(999_999_999_999);
        send(&self.process, &good, 200).await?;
        let forged = Request {
            body: good.body.replace("250000", "250001"),
            ..good
        };
        send(&self.process, &forged, 401).await.map(drop)
    }
}

impl Payments {
    pub(super) async fn start(
        binaries: &Path,
        ground: Ground<'_>,
        issuer: &Issuer,
    ) -> Result<Self> {
        let at = |path: &str| format!("http://{}{path}", issuer.address);
        let own = [
            ("AUTH__JWKS_URL", at("/jwks")),
            ("AUTH__PORTAL_JWKS_URL", at("/jwks")),
            ("AUTH__REVOCATIONS_URL", at("/revocations")),
            ("AUTH__PORTAL_REVOCATIONS_URL", at("/revocations")),
            ("SANDBOX__API_KEY", "sandbox-key".into()),
            ("RULES__STARTS_PER_MINUTE", WIDE.into()),
        ];
        let names = ("payments", sql::PAYMENTS);
        let process = start(binaries, ground, names, &own).await?;
        Ok(Self { process })
    }

    /// A payment is made once; without a token and above the balance none.
    pub(super) async fn check(&self, token: &str, price: i64) -> Result<()> {
        let run = uuid::Uuid::now_v7();
        let one = payment(token, run, 0);
        let first = send(&self.process, &one, 201).await?;
        ensure!(
            first["status"] == "completed" && first["amount"] == price,
            "not settled: {first}"
        );
        let again = send(&self.process, &one, 201).await?;
        ensure!(first == again, "{first} and then {again}");
        let too_much = Request {
            body: "{\"amount\":9000000000,\"description\":\"bench\"}".to_owned(),
            ..payment(token, run, 1)
        };
        send(&self.process, &too_much, 409).await?;
        let nobody = Request {
            headers: vec![("idempotency-key", "x".to_owned())],
            ..one
        };
        send(&self.process, &nobody, 401).await.map(drop)
    }
}
