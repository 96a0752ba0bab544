//! The command line that every service has.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use common_types::events::subscriptions;
use service_config::{ConfigError, Sources, alias_conflicts, load_with_aliases};
use service_events::{Broker, Consumers, DeadLetterCommand, RetryPolicy, Topology, Worker};
use tokio_util::sync::CancellationToken;

use crate::{
    definition::ServiceDefinition,
    idempotency,
    server::{self, ServiceApp, shutdown_signal},
    stack::{ServiceSettings, Stack},
};

#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers HTTP until SIGTERM.
    Serve,
    /// Relays and consumes events and runs the jobs until SIGTERM.
    Worker,
    /// Brings the database to the current shape and declares the queues.
    Migrate,
    /// Prints the API document as JSON.
    Openapi,
    /// Prints the effective settings with secrets masked; exit code 2 when they cannot be used.
    CheckConfig,
    /// Lists, shows and replays events that were given up.
    DeadLetters(DeadLetterCommand),
    /// Puts sample data in; refused in production.
    Seed {
        /// Which data.
        #[arg(default_value = "demo")]
        name: String,
    },
    /// Verifies the chain of audit seals; exit code 1 when it is broken.
    Audit,
    /// A command of this service alone.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Exit code of settings that cannot be used.
const BAD_SETTINGS: u8 = 2;

/// The whole of a service's `main`.
pub async fn main<S: ServiceDefinition>() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(BAD_SETTINGS)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if matches!(cli.command, Command::Openapi) {
        return print_openapi::<S>();
    }
    let settings = match load::<S>(Sources::from_process()) {
        Ok(settings) => settings,
        Err(error) => {
            complain(&format!("{}: {error}", S::NAME));
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    if matches!(cli.command, Command::CheckConfig) {
        return say(&format!("{settings:#?}"));
    }
    let telemetry = match service_telemetry::init(S::NAME, settings.common().telemetry) {
        Ok(guard) => guard,
        Err(error) => {
            complain(&format!("{}: telemetry: {error:#}", S::NAME));
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    for conflict in alias_conflicts(&Sources::from_process(), S::ALIASES) {
        tracing::warn!("{conflict}");
    }
    let outcome = execute::<S>(cli.command, settings).await;
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "{} ends", S::NAME);
            complain(&format!("{}: {error:#}", S::NAME));
            ExitCode::FAILURE
        }
    };
    drop(telemetry);
    code
}

/// Loads the settings of a service as its program does.
///
/// # Errors
/// [`ConfigError`], naming the key and where it was set.
pub fn load<S: ServiceDefinition>(sources: Sources) -> Result<S::Settings, ConfigError> {
    load_with_aliases(S::NAME, S::DEFAULTS_TOML, sources, S::ALIASES)
}

async fn execute<S: ServiceDefinition>(
    command: Command,
    settings: S::Settings,
) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve::<S>(settings).await,
        Command::Worker => work::<S>(settings).await,
        Command::Migrate => migrate::<S>(settings).await,
        Command::DeadLetters(command) => {
            let stack = Stack::connect(S::NAME, settings.common()).await?;
            command
                .run(
                    &stack.db,
                    &stack.broker,
                    stack.clock.now(),
                    &mut std::io::stdout(),
                )
                .await
        }
        Command::Seed { name } => {
            anyhow::ensure!(
                !settings.common().environment.is_production(),
                "sample data never goes into production"
            );
            let (_, state) = build::<S>(settings).await?;
            S::seed(&state, &name).await
        }
        Command::Audit => {
            let stack = Stack::connect(S::NAME, settings.common()).await?;
            let mut conn = stack.db.get().await?;
            let report = service_audit::verify_chain(&mut conn).await?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
            anyhow::ensure!(report.is_intact(), "the audit chain is broken");
            Ok(())
        }
        Command::Other(arguments) => {
            let (_, state) = build::<S>(settings).await?;
            S::command(&state, &arguments).await
        }
        Command::Openapi | Command::CheckConfig => Ok(()),
    }
}

async fn build<S: ServiceDefinition>(settings: S::Settings) -> anyhow::Result<(Stack, S::State)> {
    let stack = Stack::connect(S::NAME, settings.common()).await?;
    let state = S::build(settings, stack.clone()).await?;
    Ok((stack, state))
}

async fn serve<S: ServiceDefinition>(settings: S::Settings) -> anyhow::Result<()> {
    let server_settings = settings.common().server.clone();
    let shown = settings.clone();
    let (stack, state) = build::<S>(settings).await?;
    let background = stack.start(S::revocation_sources(&state));
    let app = ServiceApp::of::<S>(stack, state).showing(&shown);
    server::run(app, &server_settings).await?;
    drop(background);
    Ok(())
}

async fn work<S: ServiceDefinition>(settings: S::Settings) -> anyhow::Result<()> {
    let server_settings = settings.common().server.clone();
    let (stack, state) = build::<S>(settings).await?;
    check_subscriptions::<S>(&stack, &state)?;
    let health = ServiceApp::health_only(S::NAME, stack.worker_checks()).start(
        &server_settings.host,
        server_settings.worker_port,
        1,
        server_settings.shutdown_timeout_seconds,
    )?;
    let background = stack.start(S::revocation_sources(&state));
    let cancel = CancellationToken::new();
    let running = tokio::spawn(worker::<S>(&stack, &state).run(cancel.clone()));
    tracing::info!(service = S::NAME, health = %health.address(), "working");
    shutdown_signal().await;
    tracing::info!(service = S::NAME, "stopping: work at hand may finish");
    cancel.cancel();
    let _ = running.await;
    health.stop_now().await;
    drop(background);
    Ok(())
}

/// The worker of a service with everything that each has: relay, consumers, audit sealer, sweeping
/// of idempotency keys. Tests run it in their own process.
pub fn worker<S: ServiceDefinition>(stack: &Stack, state: &S::State) -> Worker {
    let sealer = service_audit::Sealer::new(stack.db.clone(), stack.clock.clone());
    let swept = stack.db.clone();
    let worker = Worker::new(
        S::NAME,
        stack.db.clone(),
        stack.broker.clone(),
        stack.clock.clone(),
    )
    .with_outbox(stack.outbox.clone())
    .subscribers(subscribers(S::NAME, &stack.broker))
    .consumers(consumers::<S>(stack, state))
    .task(move |cancel| sealer.run(cancel))
    .job(
        "idempotency-sweep",
        std::time::Duration::from_secs(3600),
        move |_| {
            let db = swept.clone();
            async move {
                let mut conn = db.get().await?;
                idempotency::sweep(&mut conn).await?;
                Ok(())
            }
        },
    );
    S::worker(state, worker)
}

/// The queues of whoever consumes a service's events.
fn subscribers(service: &str, broker: &Broker) -> Vec<Topology> {
    subscriptions::subscribers_to(service)
        .map(|one| {
            Topology::new(broker, one.service, one.family, RetryPolicy::default())
                .bound_to(one.events)
        })
        .collect()
}

/// Whether a service consumes what `common_types::events::subscriptions` says; services that are not in the table are
/// not asked.
///
/// # Errors
/// The first difference, in words.
pub fn check_subscriptions<S: ServiceDefinition>(
    stack: &Stack,
    state: &S::State,
) -> anyhow::Result<()> {
    let mut expected: Vec<(String, Vec<&str>)> = subscriptions::subscriptions_of(S::NAME)
        .map(|one| {
            let mut names = one.events.to_vec();
            names.sort_unstable();
            (format!("{}.{}", one.service, one.family), names)
        })
        .collect();
    if expected.is_empty() {
        return Ok(());
    }
    let mut found: Vec<(String, Vec<&str>)> = consumers::<S>(stack, state)
        .topologies()
        .into_iter()
        .map(|queue| (queue.consumer, queue.names))
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    anyhow::ensure!(
        expected == found,
        "{} consumes {found:?}, but common_types::events::subscriptions says {expected:?}",
        S::NAME
    );
    Ok(())
}

fn consumers<S: ServiceDefinition>(stack: &Stack, state: &S::State) -> Consumers {
    S::consumers(
        state,
        Consumers::new(
            S::NAME,
            stack.db.clone(),
            stack.broker.clone(),
            stack.clock.clone(),
        ),
    )
}

async fn migrate<S: ServiceDefinition>(settings: S::Settings) -> anyhow::Result<()> {
    let applied =
        service_db::migrate(settings.common().database, S::MIGRATIONS, S::APPEND_ONLY).await?;
    tracing::info!(
        service = S::NAME,
        applied = applied.len(),
        "database is current"
    );
    let (stack, state) = build::<S>(settings).await?;
    check_subscriptions::<S>(&stack, &state)?;
    // The relay never drops what no queue takes, so a broker that is away now only delays this.
    if let Err(error) = consumers::<S>(&stack, &state).declare().await {
        tracing::warn!(service = S::NAME, %error, "queues not declared; the worker declares them");
    }
    Ok(())
}

fn print_openapi<S: ServiceDefinition>() -> ExitCode {
    match S::openapi().to_pretty_json() {
        Ok(document) => say(&document),
        Err(error) => {
            complain(&format!("{}: {error}", S::NAME));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
