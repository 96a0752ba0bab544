//! The gateway against HAProxy's `jwt_verify`: the same upstream, the same tokens, the same load, one thread each.
//!
//! Ours runs with everything on: token cache and revocations, limits by address and caller in Redis, metrics, sampled
//! traces. HAProxy verifies signature and expiry of each token, every time, and does nothing else.

mod keys;
mod peers;
mod upstream;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::report::Report;
use crate::wrk;
use keys::Keys;
use upstream::{BODY, Upstream};

const PATH: &str = "/api/bench/item/";
const CONNECTIONS: u32 = 64;
const TOKENS: usize = 1_000;
/// More than a run at the rates of two cores uses up.
const FRESH_TOKENS: usize = 60_000;
const IDLE: usize = 8_000;

/// What one side costs under load.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_us: f64,
    per_second: f64,
    p99_ms: f64,
}

/// Runs everything.
///
/// # Errors
/// When something cannot be started or an answer is wrong.
pub async fn run(binaries: &Path, length: Duration, report: &mut Report) -> Result<()> {
    ensure!(
        wrk::is_installed(),
        "wrk is not installed (apt install wrk)"
    );
    let folder = tempfile::tempdir()?;
    let keys = Keys::make(folder.path())?;
    let upstream = Upstream::start(&keys).await?;
    let few = wrk::script(
        folder.path(),
        &keys.write_tokens(folder.path(), "few", TOKENS)?,
    )?;
    let fresh = wrk::script(
        folder.path(),
        &keys.write_tokens(folder.path(), "fresh", FRESH_TOKENS)?,
    )?;
    let redis = peers::redis(folder.path()).await?;
    if redis.is_none() {
        report.note("no Redis: limits are counted in the process");
    }
    let redis_url = redis.as_ref().map_or_else(
        || "redis://127.0.0.1:1/0".to_owned(),
        |redis| format!("redis://{}/0", redis.address),
    );
    let ours = peers::gateway(binaries, folder.path(), &upstream, &redis_url).await?;
    check(&ours, &keys, "the gateway").await?;
    warm(&ours, &few).await?;
    let ours_few = measure(&ours, &few, length).await?;
    let ours_fresh = measure(&ours, &fresh, Duration::from_secs(3)).await?;

    let mut es256 = None;
    let mut es256_fresh = None;
    if let Some(peer) = peers::haproxy(folder.path(), &upstream, &keys, "ES256").await? {
        check(&peer, &keys, "HAProxy").await?;
        warm(&peer, &few).await?;
        es256 = Some(measure(&peer, &few, length).await?);
        es256_fresh = Some(measure(&peer, &fresh, Duration::from_secs(3)).await?);
    } else {
        report.note("HAProxy is not installed (apt install haproxy): no peer in this run");
    }
    let rs256 = rs256(folder.path(), &upstream, &keys, length).await?;
    if es256.is_some() && rs256.is_none() {
        report.note("no openssl for an RSA key: HAProxy's RS256 was not measured");
    }
    report.at_most(
        "checked and proxied request, 1,000 tokens: CPU",
        "µs",
        ours_few.cpu_us,
        20.0,
    );
    let peer = ("HAProxy ES256", es256.map(|cost| cost.cpu_us));
    report.less_is_better("the same: CPU", "µs", ours_few.cpu_us, peer, 3.0);
    let peer = ("HAProxy ES256", es256.map(|cost| cost.per_second));
    report.more_is_better("the same: requests", "/s", ours_few.per_second, peer, 3.0);
    let peer = ("HAProxy ES256", es256.map(|cost| cost.p99_ms));
    report.less_is_better("the same: p99", "ms", ours_few.p99_ms, peer, 1.0);
    let peer = ("HAProxy RS256", rs256.map(|cost| cost.cpu_us));
    report.less_is_better("the same: CPU", "µs", ours_few.cpu_us, peer, 1.7);
    let peer = ("HAProxy ES256", es256_fresh.map(|cost| cost.cpu_us));
    report.less_is_better(
        "every token seen for the first time: CPU",
        "µs",
        ours_fresh.cpu_us,
        peer,
        1.0,
    );
    let idle = idle_memory(&ours, report).await?;
    report.at_most("memory of an idle connection", "KiB", idle, 15.0);
    Ok(())
}

async fn rs256(
    folder: &Path,
    upstream: &Upstream,
    keys: &Keys,
    length: Duration,
) -> Result<Option<Cost>> {
    if !keys.has_rsa() {
        return Ok(None);
    }
    let Some(peer) = peers::haproxy(folder, upstream, keys, "RS256").await? else {
        return Ok(None);
    };
    let tokens = wrk::script(folder, &keys.write_rsa_tokens(folder, TOKENS)?)?;
    warm(&peer, &tokens).await?;
    measure(&peer, &tokens, length).await.map(Some)
}

fn url(process: &Process) -> String {
    format!("http://{}{PATH}", process.address)
}

/// The answers are right: a good token gets the upstream's body, a bad one and none get 401.
async fn check(process: &Process, keys: &Keys, who: &str) -> Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()?;
    let ask = |authorization: Option<String>| {
        let mut request = client.get(url(process));
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        request.send()
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let good = keys.token()?;
    loop {
        let answer = ask(Some(format!("Bearer {good}"))).await?;
        if answer.status() == 200 {
            ensure!(answer.text().await? == BODY, "{who} changed the body");
            break;
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{who} answers {} to a good token", answer.status());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (head, signature) = good.rsplit_once('.').context("a token has three parts")?;
    let flipped = format!(
        "{head}.{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    for (bad, name) in [
        (Some(format!("Bearer {flipped}")), "a forged token"),
        (
            Some(format!("Bearer {}", keys.expired()?)),
            "an expired token",
        ),
        (None, "no token"),
    ] {
        let status = ask(bad).await?.status();
        ensure!(status == 401, "{who} answers {status} to {name}");
    }
    Ok(())
}

async fn warm(process: &Process, script: &Path) -> Result<()> {
    wrk::run(&url(process), script, CONNECTIONS, Duration::from_secs(2))
        .await
        .map(drop)
}

async fn measure(process: &Process, script: &Path, length: Duration) -> Result<Cost> {
    let before = process.cpu_seconds()?;
    let load = wrk::run(&url(process), script, CONNECTIONS, length).await?;
    let used = process.cpu_seconds()? - before;
    ensure!(load.requests > 0, "no request was answered");
    Ok(Cost {
        cpu_us: used * 1e6 / load.requests as f64,
        per_second: load.per_second,
        p99_ms: load.p99_ms,
    })
}

/// Memory of a connection that was opened, answered once and is kept.
async fn idle_memory(process: &Process, report: &mut Report) -> Result<f64> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let before = process.resident_kib()?;
    let mut kept = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let Ok(mut stream) = TcpStream::connect(process.address).await else {
            report.note(format!(
                "only {} idle connections: the limit of open files is lower",
                kept.len()
            ));
            break;
        };
        stream
            .write_all(b"GET /health/live HTTP/1.1\r\nHost: bench\r\n\r\n")
            .await?;
        let mut buffer = [0; 2048];
        let count = stream.read(&mut buffer).await?;
        ensure!(
            buffer[..count].starts_with(b"HTTP/1.1 200"),
            "a wrong answer on a kept connection"
        );
        kept.push(stream);
    }
    let after = process.resident_kib()?;
    Ok((after - before) / kept.len().max(1) as f64)
}
