//! `tabib-gateway serve | openapi | check-config`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use common_types::clock::{SharedClock, SystemClock};
use serde_json::json;
use service_auth::Verifier;
use service_config::Sources;

use crate::routes::RouteTable;
use crate::server::{Trust, raise_open_files, refuse_huge_pages, start, told_to_stop};
use crate::settings::Settings;

#[derive(Debug, Parser)]
#[command(
    name = "tabib-gateway",
    about = "The one door of the platform",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers until SIGTERM; SIGHUP reads the route table and the certificate again.
    Serve,
    /// Prints the document of the gateway's own routes; the merged one is served at /openapi.json.
    Openapi,
    /// Checks settings and route table; exit code 2 when they cannot be used.
    CheckConfig,
}

/// Exit code of settings that cannot be used.
const BAD_SETTINGS: u8 = 2;

/// The whole of `main`.
pub async fn main() -> ExitCode {
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
        return say(&serde_json::to_string_pretty(&own_document()).unwrap_or_default());
    }
    let settings = match Settings::load(Sources::from_process()) {
        Ok(settings) => settings,
        Err(error) => return complain(&error.to_string(), BAD_SETTINGS),
    };
    let outcome = match cli.command {
        Command::CheckConfig => return check(&settings),
        Command::Openapi => return ExitCode::SUCCESS,
        Command::Serve => serve(settings).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}"), 1),
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = service_telemetry::init("gateway", &settings.telemetry)?;
    refuse_huge_pages();
    raise_open_files();
    let told = told_to_stop()?;
    let clock: SharedClock = Arc::new(SystemClock);
    let verifier = Verifier::new(&settings.auth, clock.clone())?;
    let running = start(settings, verifier, Trust::Platform, clock).await?;
    told.await;
    running.stop().await;
    Ok(())
}

fn check(settings: &Settings) -> ExitCode {
    let table = settings
        .route_table()
        .ok()
        .and_then(|text| RouteTable::parse(&text, settings.is_development()).ok());
    let Some(table) = table else {
        return complain("the route table cannot be used", BAD_SETTINGS);
    };
    let peers: serde_json::Map<String, serde_json::Value> = crate::routes::SERVICES
        .iter()
        .map(|service| ((*service).to_owned(), json!(settings.authorities(service))))
        .collect();
    say(&serde_json::to_string_pretty(&json!({
        "service": "gateway",
        "environment": settings.environment.as_str(),
        "server": {"host": settings.server.host, "port": settings.server.port, "public_url": settings.server.public_url},
        "tls": !settings.tls.certificate_file.is_empty(),
        "peers": peers,
        "routes": table.routes().len(),
    }))
    .unwrap_or_default())
}

/// What the gateway itself answers.
pub fn own_document() -> serde_json::Value {
    let text = |summary: &str| json!({"get": {"tags": ["gateway"], "summary": summary, "responses": {"200": {"description": "as described"}}}});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Tabib gateway", "version": env!("CARGO_PKG_VERSION")},
        "paths": {
            "/health/": text("Database and cache of all services, in Contexor's shape; 503 when one fails"),
            "/health/live": text("The process answers"),
            "/health/ready": text("Tokens can be checked and the process is not stopping; else 503"),
            "/openapi.json": text("The merged document of all services"),
            "/api/docs/": text("Swagger UI"),
            "/api/redoc/": text("ReDoc"),
            "/api/status/": text("Instances, breakers and routes; superusers only"),
        },
    })
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tabib-gateway: {text}");
    ExitCode::from(code)
}
