//! Money: a signed webhook taken in, and a payment from a wallet settled, each against pgbench with the same SQL.
//!
//! Everything runs on this machine alone: a PostgreSQL of its own with `fsync` on, a Redis, `integrations` and `payments`
//! as programs with every check of theirs, and a stand-in for auth-otp that publishes the key of the tokens. Afterwards
//! the databases are asked whether each answer is there, once, and whether the ledger sums to zero.

mod issuer;
mod service;
mod sql;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use uuid::Uuid;

use crate::load::{self, Figures, Request};
use crate::postgres::Postgres;
use crate::report::Report;
use issuer::Issuer;
use service::{Integrations, Payments};

/// As many callers at once.
const CONNECTIONS: usize = 32;
/// People with a wallet.
const WALLETS: usize = 256;
/// What each holds at first, and what each payment takes.
const HELD: i64 = 1_000_000_000;
const PRICE: i64 = 7;
/// Requests that are sent again, to see that nothing happens twice.
const COPIES: usize = 500;
/// Settlements in a second from one wallet.
const HOT: f64 = 500.0;

/// Runs everything.
///
/// # Errors
/// When something cannot be started or an answer is wrong.
pub async fn run(binaries: &Path, length: Duration, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let postgres = Postgres::start(folder.path()).await?;
    let redis = crate::gateway::redis(folder.path()).await?;
    if redis.is_none() {
        report.note("no Redis: limits are counted in the process");
    }
    let redis = redis.as_ref().map_or_else(
        || "redis://127.0.0.1:1/0".to_owned(),
        |redis| format!("redis://{}/0", redis.address),
    );
    intake(binaries, (folder.path(), &postgres, &redis), length, report).await?;
    settle(binaries, (folder.path(), &postgres, &redis), length, report).await
}

/// What both services stand on: a folder, PostgreSQL and Redis's address.
type Ground<'a> = (&'a Path, &'a Postgres, &'a str);

/// Webhooks of a provider: authenticated, stored with their event in the outbox, each once.
async fn intake(
    binaries: &Path,
    ground: Ground<'_>,
    length: Duration,
    report: &mut Report,
) -> Result<()> {
    let (_, postgres, _) = ground;
    let service = Integrations::start(binaries, ground).await?;
    service.check().await?;
    let endpoint = sql::endpoint(postgres).await?;
    let known = sql::webhooks(postgres).await?;
    let ours = measured(&service.process, async {
        webhooks(&service, (0, usize::MAX), Some(length)).await
    })
    .await?;
    let taken = sql::webhooks(postgres).await?;
    let answers = i64::try_from(ours.answers)?;
    ensure!(
        (taken.0 - known.0, taken.1 - known.1) == (answers, answers),
        "{answers} webhooks were answered, {taken:?} less {known:?} are stored and told"
    );
    webhooks(&service, (0, COPIES.min(ours.answers)), None).await?;
    ensure!(
        sql::webhooks(postgres).await? == taken,
        "a copy of a webhook was told again"
    );
    let script = sql::intake(&endpoint);
    let same = postgres
        .pgbench((sql::INTEGRATIONS, "prepared"), "intake", &script, length)
        .await?;
    report.more_is_better(
        "take in a signed webhook, exactly once",
        "/s",
        ours.per_second,
        ("pgbench, the same SQL", Some(same)),
        0.5,
    );
    report.note(format!(
        "webhooks: {:.0} µs of CPU in our process for each, p99 {:.1} ms",
        ours.cpu_us, ours.p99_ms
    ));
    Ok(())
}

async fn webhooks(
    service: &Integrations,
    (first, last): (usize, usize),
    length: Option<Duration>,
) -> Result<Figures> {
    let next = AtomicUsize::new(first);
    let requests = Arc::new(move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        (number < last).then(|| service::webhook(number))
    });
    load::run(
        service.process.address,
        CONNECTIONS,
        length,
        requests,
        (200, |body| body["success"] == true),
    )
    .await
}

/// Payments from wallets: key, payment, audit row, ledger, events and the kept answer in one transaction.
async fn settle(
    binaries: &Path,
    ground: Ground<'_>,
    length: Duration,
    report: &mut Report,
) -> Result<()> {
    let (_, postgres, _) = ground;
    let issuer = Issuer::start().await?;
    let service = Payments::start(binaries, ground, &issuer).await?;
    let organization = Uuid::now_v7();
    let people: Vec<Uuid> = (0..WALLETS).map(|_| Uuid::now_v7()).collect();
    sql::fill_wallets(postgres, organization, &people, HELD).await?;
    let tokens: Vec<String> = people
        .iter()
        .map(|person| issuer.token(*person, organization))
        .collect::<Result<_>>()?;
    let tokens: Arc<[String]> = tokens.into();
    service.check(&tokens[0], PRICE).await?;
    let mut settled = 1;

    let run = Uuid::now_v7();
    let pay = |wallets: usize, run: Uuid, first: usize, last: usize, length: Option<Duration>| {
        let (tokens, next) = (Arc::clone(&tokens), AtomicUsize::new(first));
        let requests = Arc::new(move || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            (number < last).then(|| payment(&tokens[number % wallets], run, number))
        });
        let right = (201, |body: &serde_json::Value| {
            body["status"] == "completed" && body["amount"] == PRICE
        });
        load::run(
            service.process.address,
            CONNECTIONS,
            length,
            requests,
            right,
        )
    };
    let many = measured(
        &service.process,
        pay(WALLETS, run, 0, usize::MAX, Some(length)),
    )
    .await?;
    settled += i64::try_from(many.answers)?;
    sql::check_books(postgres, WALLETS, HELD, (settled, PRICE)).await?;
    // The same requests again are answered again, and nothing is paid twice.
    let copies = COPIES.min(many.answers);
    pay(WALLETS, run, 0, copies, None).await?;
    sql::check_books(postgres, WALLETS, HELD, (settled, PRICE)).await?;
    let hot = measured(
        &service.process,
        pay(1, Uuid::now_v7(), 0, usize::MAX, Some(length)),
    )
    .await?;
    settled += i64::try_from(hot.answers)?;
    sql::check_books(postgres, WALLETS, HELD, (settled, PRICE)).await?;

    let accounts = sql::Accounts::of(postgres).await?;
    let mode = (sql::PAYMENTS, "prepared");
    let same = postgres
        .pgbench(mode, "settle", &accounts.settle(WALLETS), length)
        .await?;
    let same_hot = postgres
        .pgbench(mode, "hot", &accounts.settle(1), length)
        .await?;
    report.more_is_better(
        "settle a wallet payment",
        "/s",
        many.per_second,
        ("pgbench, the same SQL", Some(same)),
        0.5,
    );
    report.more_is_better(
        "the same, one hot wallet",
        "/s",
        hot.per_second,
        ("at least", Some(HOT)),
        1.0,
    );
    report.note(format!(
        "wallet payments: {:.0} µs of CPU in our process for each, p99 {:.1} ms; one hot wallet: p99 {:.1} ms, pgbench \
         with the same SQL {same_hot:.0}/s",
        many.cpu_us, many.p99_ms, hot.p99_ms
    ));
    Ok(())
}

fn payment(token: &str, run: Uuid, number: usize) -> Request {
    Request {
        path: "/api/v1/wallet/pay/".to_owned(),
        body: format!("{{\"amount\":{PRICE},\"description\":\"bench\"}}"),
        headers: vec![
            ("authorization", format!("Bearer {token}")),
            ("idempotency-key", format!("{run}-{number}")),
        ],
    }
}

/// The figures of a load with the CPU time that one answer took in the service's process.
async fn measured(
    process: &crate::process::Process,
    load: impl Future<Output = Result<Figures>>,
) -> Result<Figures> {
    let before = process.cpu_seconds()?;
    let mut figures = load.await?;
    figures.cpu_us = (process.cpu_seconds()? - before) * 1e6 / figures.answers as f64;
    Ok(figures)
}
