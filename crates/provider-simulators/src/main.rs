//! `tabib-simulators serve | check-config`.

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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings: settings::Settings =
        service_config::load("simulators", settings::DEFAULTS, Sources::from_process())?;
    if let Some(Command::CheckConfig) = arguments.command {
        return Ok(());
    }
    let _telemetry = service_telemetry::init("simulators", &settings.telemetry)?;
    let running = provider_simulators::spawn(Options::from(&settings)).await?;
    tracing::info!(address = %running.base_url, "simulators are listening");
    running.wait().await
}
