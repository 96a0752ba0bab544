//! The gateway against HAProxy's `jwt_verify` and nginx's plain proxy: the same upstream, the same tokens, the same
//! load, one thread each.
//!
//! Ours runs with everything on: token cache and revocations, limits by address and caller in Redis, metrics, sampled
//! traces. HAProxy verifies signature and expiry of each token, every time, and does nothing else. nginx checks nothing.

mod connections;

pub(crate) use peers::redis;
mod keys;
mod peers;
mod upstream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

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
/// Turns that every side takes.
const ROUNDS: u32 = 3;
/// Names of the sides.
const OURS: &str = "the gateway";
const ES256: &str = "HAProxy ES256";
const RS256: &str = "HAProxy RS256";
const PLAIN: &str = "nginx, plain proxy";
/// Where 20 µs stand below nginx's plain proxy, whatever the machine: the goal was set where nginx took 21.5.
const BELOW_PLAIN: f64 = 21.5 / 20.0;

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
    let mut sides = vec![Side::new(OURS, ours, few.clone(), Some(fresh.clone()))];
    if let Some(peer) = peers::haproxy(folder.path(), &upstream, &keys, "ES256").await? {
        sides.push(Side::new(ES256, peer, few.clone(), Some(fresh)));
        if keys.has_rsa()
            && let Some(peer) = peers::haproxy(folder.path(), &upstream, &keys, "RS256").await?
        {
            let tokens = keys.write_rsa_tokens(folder.path(), TOKENS)?;
            let tokens = wrk::script(folder.path(), &tokens)?;
            sides.push(Side::new(RS256, peer, tokens, None));
        } else {
            report.note("no openssl for an RSA key: HAProxy's RS256 was not measured");
        }
    } else {
        report.note("HAProxy is not installed (apt install haproxy): not in this run");
    }
    if let Some(peer) = peers::nginx(folder.path(), &upstream).await? {
        sides.push(Side::new(PLAIN, peer, few, None));
    } else {
        report.note("nginx is not installed (apt install nginx-light): not in this run");
    }
    for side in &sides {
        match side.name {
            PLAIN => check_plain(&side.process).await?,
            RS256 => {}
            name => check(&side.process, &keys, name).await?,
        }
    }
    judge(&mut sides, length, report).await?;
    // In a process of its own each time: memory that the load gave back would hide what connections take.
    let start = || peers::gateway(binaries, folder.path(), &upstream, &redis_url);
    let quiet = start().await?;
    check(&quiet, &keys, OURS).await?;
    let idle = connections::idle(&quiet, report).await?;
    report.at_most("memory of an idle connection, 10,000", "KiB", idle, 15.0);
    let quiet = start().await?;
    check(&quiet, &keys, OURS).await?;
    let sockets = connections::websockets(&quiet, &keys.token()?).await?;
    report.at_most("memory of a WebSocket, 1,000", "KiB", sockets, 15.0);
    Ok(())
}

/// Loads every side and says how they compare.
async fn judge(sides: &mut [Side], length: Duration, report: &mut Report) -> Result<()> {
    for side in &*sides {
        warm(&side.process, &side.known).await.context(side.name)?;
    }
    // Sides take turns, so that a busy moment of the machine falls on all of them.
    let turn = length
        .div_f64(f64::from(ROUNDS))
        .max(Duration::from_secs(2));
    let mut measured = vec![Vec::new(); sides.len()];
    for _ in 0..ROUNDS {
        for (side, costs) in sides.iter().zip(&mut measured) {
            let cost = measure(&side.process, &side.known, turn).await;
            costs.push(cost.context(side.name)?);
        }
    }
    for (side, costs) in sides.iter_mut().zip(measured) {
        side.cost = Some(Cost::median(costs));
        if let Some(fresh) = &side.fresh {
            let cost = measure(&side.process, fresh, Duration::from_secs(3)).await;
            side.first_seen = Some(cost.context(side.name)?);
        }
    }
    let find = |name: &str| sides.iter().find(|side| side.name == name);
    let cost = |name| find(name).and_then(|side| side.cost);
    let ours = cost(OURS).context("the gateway was not measured")?;
    report.at_most(
        "checked and proxied request, 1,000 tokens: CPU",
        "µs",
        ours.cpu_us,
        20.0,
    );
    for (name, least) in [(PLAIN, BELOW_PLAIN), (ES256, 3.0), (RS256, 1.7)] {
        let peer = (name, cost(name).map(|cost| cost.cpu_us));
        report.less_is_better("the same: CPU", "µs", ours.cpu_us, peer, least);
    }
    let peer = (ES256, cost(ES256).map(|cost| cost.per_second));
    report.more_is_better("the same: requests", "/s", ours.per_second, peer, 3.0);
    let peer = (ES256, cost(ES256).map(|cost| cost.p99_ms));
    report.less_is_better("the same: p99", "ms", ours.p99_ms, peer, 1.0);
    let first_seen = |name| find(name).and_then(|side| side.first_seen);
    let ours = first_seen(OURS).context("fresh tokens were not measured")?;
    let peer = (ES256, first_seen(ES256).map(|cost| cost.cpu_us));
    report.less_is_better(
        "every token seen for the first time: CPU",
        "µs",
        ours.cpu_us,
        peer,
        1.0,
    );
    Ok(())
}

/// One side of the comparison.
struct Side {
    name: &'static str,
    process: Process,
    /// Sends tokens seen before.
    known: PathBuf,
    /// Sends every token once.
    fresh: Option<PathBuf>,
    /// With tokens seen before.
    cost: Option<Cost>,
    /// With every token seen for the first time.
    first_seen: Option<Cost>,
}

impl Side {
    fn new(name: &'static str, process: Process, known: PathBuf, fresh: Option<PathBuf>) -> Self {
        Self {
            name,
            process,
            known,
            fresh,
            cost: None,
            first_seen: None,
        }
    }
}

impl Cost {
    /// The median of each figure.
    fn median(costs: Vec<Self>) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = costs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self {
            cpu_us: middle(|cost| cost.cpu_us),
            per_second: middle(|cost| cost.per_second),
            p99_ms: middle(|cost| cost.p99_ms),
        }
    }
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

/// A proxy without checks passes the body on.
async fn check_plain(process: &Process) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(url(process)).send().await?;
    ensure!(
        answer.status() == 200 && answer.text().await? == BODY,
        "{PLAIN} changed the answer"
    );
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
