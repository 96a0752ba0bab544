//! Codes and logins: issuing against pgbench with the same SQL, logging in against django-chelseru behind gunicorn.
//!
//! Everything runs on this machine alone: a PostgreSQL of its own with `fsync` on, a Redis, our service, a stand-in for
//! `integrations` that takes every message (the named stub), and the peer in a virtual environment of its own. Each answer
//! is checked; a wrong one fails the run.

mod peer;
mod postgres;
mod service;
mod stub;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::ground::Ground;
use crate::load::{self, Request};
use crate::report::Report;
use service::Service;
use stub::Stub;

/// As many callers at once: twice the service's connections to PostgreSQL, so that it always has work, as under pgbench.
const CONNECTIONS: usize = 64;
/// Logins of each kind.
const LOGINS: usize = 6_000;
/// Logins before anything is measured.
const WARM: usize = 1_000;
/// The peer is slow with new people.
const PEER_NEW: usize = 60;
const PEER_KNOWN: usize = 600;
const STORED: u32 = 1_000_000;
/// Where pgbench runs, each statement prepared once, as in our service.
const PGBENCH: (&str, &str) = (postgres::DATABASE, "prepared");

/// Runs everything.
///
/// # Errors
/// When something cannot be started or an answer is wrong.
pub async fn run(binaries: &Path, length: Duration, report: &mut Report) -> Result<()> {
    let ground = Ground::start(report).await?;
    let (folder, postgres) = (ground.folder(), &ground.postgres);
    let stub = Stub::start().await?;
    let service = Service::start(binaries, folder, postgres, &ground.redis, &stub).await?;
    service.check(&stub).await?;

    // Issuing; first for a second that is not measured, in which all connections are opened: pgbench's rate is without that too.
    issue(&service, Duration::from_secs(1), 2_000_000).await?;
    let ours = issue(&service, length, 0).await?;
    let same = postgres
        .pgbench(PGBENCH, "same", &postgres::same_sql(), length)
        .await?;
    let least = postgres
        .pgbench(PGBENCH, "least", &postgres::least_sql(), length)
        .await?;
    report.more_is_better(
        "issue a code, its event included",
        "/s",
        ours.per_second,
        ("pgbench, the same SQL", Some(same)),
        0.6,
    );
    report.more_is_better(
        "the same",
        "/s",
        ours.per_second,
        ("pgbench, close, insert, outbox", Some(least)),
        0.6,
    );
    report.note(format!(
        "issuing: {:.0} µs of CPU in our process for each, p99 {:.1} ms",
        ours.cpu_us, ours.p99_ms
    ));
    postgres::fill(postgres, STORED).await?;
    let filled = issue(&service, length, 1_000_000).await?;
    let same = postgres
        .pgbench(PGBENCH, "same", &postgres::same_sql(), length)
        .await?;
    report.more_is_better(
        "issue a code, 1,000,000 stored",
        "/s",
        filled.per_second,
        ("pgbench, the same SQL", Some(same)),
        0.6,
    );

    // Logging in.
    // The first logins prepare their statements on every connection, as the peer's workers are warm from sending.
    log_in(&service, &stub, ("936", WARM)).await?;
    let new = log_in(&service, &stub, ("935", LOGINS)).await?;
    let known = log_in(&service, &stub, ("935", LOGINS)).await?;
    let known_people = postgres::count(postgres, "users WHERE phone LIKE '+98935%'").await?;
    ensure!(
        known_people == LOGINS as i64,
        "{known_people} people for {LOGINS} numbers"
    );
    report.note(format!(
        "logging in: {:.0} µs of CPU in our process for a new person, {:.0} µs for a known one",
        new.cpu_us, known.cpu_us
    ));
    let (mut their_new, mut their_known, mut their_sends) = (None, None, None);
    match peer::Peer::start(folder, postgres).await {
        Ok(peer) => {
            their_sends = Some(peer.send(PEER_KNOWN).await?);
            their_known = Some(peer.log_in(PEER_KNOWN, false).await?);
            their_new = Some(peer.log_in(PEER_NEW, true).await?);
            let at_once = peer.without_call(folder, PEER_NEW).await?;
            report.note(format!(
                "django-chelseru calls its author's server for each new person; {} ms stand for that call. Were it answered at \
                 once: {at_once:.1}/s, of which ours is {:.1}×",
                peer::CALL_MS,
                new.per_second / at_once
            ));
        }
        Err(error) => report.note(format!("no django-chelseru in this run: {error:#}")),
    }
    report.more_is_better(
        "send a code over HTTP",
        "/s",
        filled.per_second,
        ("django-chelseru, empty table", their_sends),
        1.0,
    );
    report.more_is_better(
        "verify and log in, new people",
        "/s",
        new.per_second,
        ("django-chelseru", their_new),
        100.0,
    );
    report.more_is_better(
        "verify and log in, known people",
        "/s",
        known.per_second,
        ("django-chelseru", their_known),
        10.0,
    );
    Ok(())
}

/// The n-th number of so many digits, each once and far from the one before: people who ask at the same time do not live in
/// one block of ten thousand numbers, whose budget is one row.
fn spread(n: usize, digits: u32) -> usize {
    // Without a factor of 2 or 5, so that no number comes twice.
    n.wrapping_mul(6_700_417) % 10_usize.pow(digits)
}

/// The client's address as the gateway vouches for it.
fn from(signed: &str) -> Vec<(&'static str, String)> {
    vec![(service_auth::client_ip::HEADER, signed.to_owned())]
}

/// Asks for codes for numbers that were not asked for before, from many addresses, for a while.
async fn issue(service: &Service, length: Duration, first: usize) -> Result<load::Figures> {
    let signed = service.addresses();
    let next = std::sync::atomic::AtomicUsize::new(first);
    let requests = Arc::new(move || {
        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(Request {
            path: "/api/otp/send/".to_owned(),
            body: format!("{{\"mobile_number\":\"091{:08}\"}}", spread(n, 8)),
            headers: from(&signed[n % signed.len()]),
        })
    });
    let before = service.cpu_seconds()?;
    let mut figures = load::run(
        service.address(),
        CONNECTIONS,
        Some(length),
        requests,
        (200, |body| {
            body["details"] == "The OTP code was sent correctly."
        }),
    )
    .await?;
    figures.cpu_us = (service.cpu_seconds()? - before) * 1e6 / figures.answers as f64;
    Ok(figures)
}

/// Logs the same numbers in: the first time they are new, then known. Asking for the codes is not measured.
async fn log_in(
    service: &Service,
    stub: &Stub,
    (operator, count): (&str, usize),
) -> Result<load::Figures> {
    let signed = service.addresses();
    let list = |requests: Vec<Request>| {
        let list = parking(requests);
        Arc::new(move || list.lock().ok().and_then(|mut list| list.pop()))
    };
    let asks = (0..count)
        .map(|n| Request {
            path: "/api/otp/send/".to_owned(),
            body: format!("{{\"mobile_number\":\"0{operator}{:07}\"}}", spread(n, 7)),
            headers: from(&signed[n % signed.len()]),
        })
        .collect();
    let sent = |body: &Value| body["details"] == "The OTP code was sent correctly.";
    load::run(
        service.address(),
        CONNECTIONS,
        None,
        list(asks),
        (200, sent),
    )
    .await?;
    let signed = service.addresses();
    let mut tries = Vec::with_capacity(count);
    for n in 0..count {
        let number = format!("{operator}{:07}", spread(n, 7));
        let code = stub.code(&format!("+98{number}"))?;
        tries.push(Request {
            path: "/api/authenticate/".to_owned(),
            body: format!("{{\"mobile_number\":\"0{number}\",\"code\":\"{code}\"}}"),
            headers: from(&signed[n % signed.len()]),
        });
    }
    let before = service.cpu_seconds()?;
    let entered = |body: &Value| body["access"].is_string() && body["refresh"].is_string();
    let mut figures = load::run(
        service.address(),
        CONNECTIONS,
        None,
        list(tries),
        (200, entered),
    )
    .await?;
    ensure!(
        figures.answers == count,
        "{} of {count} logged in",
        figures.answers
    );
    figures.cpu_us = (service.cpu_seconds()? - before) * 1e6 / figures.answers as f64;
    Ok(figures)
}

fn parking<T>(list: Vec<T>) -> std::sync::Mutex<Vec<T>> {
    std::sync::Mutex::new(list)
}
