//! `tabib-simulators serve | check-config`.

use std::io::Write;

use clap::{Parser, Subcommand};
use provider_simulators::{Options, settings};
use service_config::Sources;

#[derive(Parser)]
#[command(
    name = "tabib-simulators",
    about = "Development inbox, sandbox payments and vendor simulators of Tabib"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Load and check the settings, then leave.
    CheckConfig,
}

fn main() -> std::process::ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // Telemetry may not be running yet, and a backtrace helps nobody with a wrong setting.
            let _ = writeln!(std::io::stderr(), "tabib-simulators: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command: Option<Command>) -> anyhow::Result<()> {
    let settings: settings::Settings =
        service_config::load("simulators", settings::DEFAULTS, Sources::from_process())?;
    if let Some(Command::CheckConfig) = command {
        return Ok(());
    }
    let _telemetry = service_telemetry::init("simulators", &settings.telemetry)?;
    let running = provider_simulators::spawn(Options::from(&settings)).await?;
    tracing::info!(address = %running.base_url, "simulators are listening");
    running.wait().await
}
