//! `tabib test-services`: PostgreSQL, Redis and RabbitMQ for one run of the tests, on free ports,
//! without fsync, gone afterwards.

pub mod platform;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::backing::{
    Backing, BackingOptions, BackingPorts, BackingUrls, External, postgres, rabbitmq, redis,
};
use crate::install::{self, Program};
use crate::layout::{Layout, reachable_folder};
use crate::process::ProcessId;
use crate::run;
use crate::ui::{self, Step};

/// Names the folder of the end-to-end tests' platform to the tests.
pub const FLOW_FOLDER: &str = "TABIB_FLOW_FOLDER";

/// Names the folder of the servers to the tests, whose `pg/log` says why PostgreSQL is silent.
const SERVER_LOGS: &str = "TABIB_TEST_SERVERS";

/// What `start` wrote down for `stop`.
#[derive(Serialize, Deserialize)]
struct Started {
    epmd_port: u16,
    urls: Urls,
}

#[derive(Serialize, Deserialize)]
struct Urls {
    database: String,
    redis: String,
    amqp: String,
}

/// Runs a command with the three addresses in its environment. Servers that the environment names
/// already are used; the others are started before and removed after, whatever the command does.
///
/// Answers the command's exit code.
pub async fn run(layout: &Layout, command: &[String]) -> Result<i32> {
    let (program, arguments) = command
        .split_first()
        .context("give a command: tabib test-services run -- cargo nextest run --workspace")?;
    let folder = folder(layout, &format!("run-{}", std::process::id()))?;
    let step = Step::start("test services");
    let backing = match start_in(&folder, &step).await {
        Ok(backing) => backing,
        Err(error) => {
            step.failed();
            let _ = std::fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    step.done(backing.describe());
    // Beside the servers' folder: the path of the private broker must stay short and reachable.
    let flow = folder.with_extension("flow");
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", &backing.urls.database)
        .env("REDIS_URL", &backing.urls.redis)
        .env("AMQP_URL", &backing.urls.amqp)
        .env(FLOW_FOLDER, &flow)
        .env(SERVER_LOGS, &folder)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let (status, lost) = follow(&mut child, watch::until_one_ends(&folder, &backing)).await?;
    let step = Step::start("test services");
    platform::stop(&flow).await;
    backing.stop().await;
    for done in [&folder, &flow] {
        let _ = std::fs::remove_dir_all(done);
    }
    step.done("stopped and removed");
    if let Some(words) = lost {
        // Said again, after everything that failed because of it.
        bail!(words);
    }
    Ok(status?.code().unwrap_or(1))
}

/// Waits for the command's end. A server that ends before it ends the command too, as what runs on would only fail as well; its
/// last words are then the second answer.
async fn follow(
    child: &mut tokio::process::Child,
    ended: impl Future<Output = watch::Ended>,
) -> Result<(std::io::Result<std::process::ExitStatus>, Option<String>)> {
    // Ctrl-C reaches the command as well; it ends by itself and the servers are removed after it.
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::pin!(ended);
    let mut lost = None;
    loop {
        tokio::select! {
            status = child.wait() => return Ok((status, lost)),
            server = &mut ended, if lost.is_none() => {
                let words = server.last_words();
                ui::warn(&words);
                lost = Some(words);
                // By a signal that it can act on: it ends its tests itself.
                if let Some(runner) = child.id().and_then(ProcessId::of) {
                    runner.signal(nix::sys::signal::Signal::SIGTERM);
                }
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let _ = child.start_kill();
            }
        }
    }
}

/// Installs what the tests need and is missing, and builds the pages for the page check. Chromium
/// alone may be missing: its check then says so.
pub async fn prepare(layout: &Layout) -> Result<()> {
    let step = Step::start("packages");
    let external = External::from_environment();
    let needed: Vec<Program> = [
        (Program::PostgreSql, external.database.is_none()),
        (Program::Redis, external.redis.is_none()),
        (Program::RabbitMq, true),
        (Program::PythonVenv, true),
    ]
    .into_iter()
    .filter_map(|(program, needed)| needed.then_some(program))
    .collect();
    if let Err(error) = install::ensure(&needed, &step).await {
        step.failed();
        return Err(error);
    }
    let viewers = install::ensure(&[Program::Chromium, Program::PdfToText], &step).await;
    step.done("PostgreSQL, Redis and RabbitMQ are installed");
    if let Err(error) = viewers {
        ui::warn(format!(
            "    the checks of pages and of PDF texts need more: {error:#}"
        ));
    }
    run::web(layout, false).await
}

/// Starts servers that stay until [`stop`]; prints `export` lines for a shell.
pub async fn start(layout: &Layout) -> Result<()> {
    let folder = folder(layout, "shared")?;
    let record = folder.join("started.json");
    if let Ok(text) = std::fs::read_to_string(&record) {
        let started: Started = serde_json::from_str(&text)?;
        if postgres::running(&folder.join("pg")).is_some() {
            print_exports(&started.urls);
            return Ok(());
        }
        stop(layout).await?;
    }
    let step = Step::quiet("test services");
    let backing = start_in(&folder, &step).await?;
    let BackingUrls {
        database,
        redis,
        amqp,
    } = backing.urls.clone();
    let started = Started {
        epmd_port: backing.rabbitmq.as_ref().map_or(0, |node| node.ports.epmd),
        urls: Urls {
            database,
            redis,
            amqp,
        },
    };
    if folder.exists() {
        std::fs::write(&record, serde_json::to_vec_pretty(&started)?)?;
    }
    print_exports(&started.urls);
    Ok(())
}

/// Stops and removes what [`start`] started.
pub async fn stop(layout: &Layout) -> Result<()> {
    let folder = folder(layout, "shared")?;
    let Ok(text) = std::fs::read_to_string(folder.join("started.json")) else {
        ui::warn("no test services of this checkout run");
        return Ok(());
    };
    let started: Started = serde_json::from_str(&text)?;
    rabbitmq::stop_in(&folder.join("rmq"), started.epmd_port).await;
    redis::stop_in(&folder.join("redis")).await;
    postgres::stop_in(&folder.join("pg")).await;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Private servers in `folder` for the tests, whatever the environment names.
pub async fn start_private(folder: &Path, step: &Step) -> Result<Backing> {
    start_with(folder, External::default(), step).await
}

/// A private PostgreSQL alone, without fsync.
pub async fn postgres_alone(folder: &Path, step: &Step) -> Result<postgres::Postgres> {
    let elsewhere = External {
        database: None,
        redis: Some(String::new()),
        amqp: Some(String::new()),
    };
    let backing = start_with(folder, elsewhere, step).await?;
    backing.postgres.context("PostgreSQL was not started")
}

async fn start_in(folder: &Path, step: &Step) -> Result<Backing> {
    start_with(folder, External::from_environment(), step).await
}

async fn start_with(folder: &Path, external: External, step: &Step) -> Result<Backing> {
    // A free port can be lost between choosing and using it; another choice then succeeds.
    let mut failures = Vec::new();
    for _ in 0..3 {
        let options = BackingOptions {
            folder: folder.to_owned(),
            ports: BackingPorts::free()?,
            external: external.clone(),
            durable: false,
            passwords: None,
        };
        match Backing::start(options, step).await {
            Ok(backing) => return Ok(backing),
            Err(error) if format!("{error:#}").contains("is taken by") => failures.push(error),
            Err(error) => return Err(error),
        }
    }
    bail!("no free ports were found: {:#}", failures.remove(0))
}

/// Where the data of test servers goes: under `target/`, or under `/var/tmp` when PostgreSQL's
/// user could not reach it there.
pub fn folder(layout: &Layout, name: &str) -> Result<PathBuf> {
    let wanted = layout.checkout.join("target/test-services");
    let base = reachable_folder(&wanted, &layout.checkout, "tabib-test")?;
    if !base.exists() {
        std::fs::create_dir_all(base.parent().unwrap_or(&base))?;
    }
    crate::layout::create_folder(&base, 0o711)?;
    Ok(base.join(name))
}

fn print_exports(urls: &Urls) {
    ui::line(format!(
        "export DATABASE_URL={} REDIS_URL={} AMQP_URL={}",
        urls.database, urls.redis, urls.amqp
    ));
}
