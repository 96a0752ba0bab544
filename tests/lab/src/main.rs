//! `tabib-lab check` and `tabib-lab kill`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use launcher::layout::Layout;
use serde_json::json;
use tabib_lab::Databases;
use tabib_lab::invariants::{check_all, delivery};
use tabib_lab::kill::{self, Plan};
use tabib_lab::report::Run;

#[derive(Debug, Parser)]
#[command(about = "Faults, and what must hold after them")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Where the run is written down.
    #[arg(long, global = true, default_value = "target/lab")]
    reports: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the databases of a platform as they are.
    Check {
        /// The administrator's address of PostgreSQL.
        #[arg(long, env = "DATABASE_URL")]
        database: String,
        /// What the databases' names begin with.
        #[arg(long, default_value = "tabib")]
        namespace: String,
        /// Seconds that events may take to come to rest.
        #[arg(long, default_value_t = 30)]
        rest: u64,
    },
    /// Pays invoices while processes are killed with -9 on a platform of its own, then checks.
    Kill {
        /// Invoices paid online.
        #[arg(long, default_value_t = 10)]
        payments: u32,
        /// Processes killed at least.
        #[arg(long, default_value_t = 10)]
        kills: u32,
        /// Seed of who dies when; random when absent.
        #[arg(long)]
        seed: Option<u64>,
    },
}

#[tokio::main]
#[allow(clippy::print_stderr)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tabib-lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<bool> {
    let run = match cli.command {
        Command::Check {
            database,
            namespace,
            rest,
        } => {
            let mut run = Run::begin("check", None);
            let databases = Databases::connect(&database, &namespace).await?;
            let rested = delivery::at_rest(&databases, Duration::from_secs(rest)).await?;
            run.violations = check_all(&databases).await?;
            run.figures = json!({"events_at_rest": rested});
            run
        }
        Command::Kill {
            payments,
            kills,
            seed,
        } => {
            let layout = Layout::discover()?;
            let folder =
                launcher::testing::folder(&layout, "lab").context("no folder for the platform")?;
            let seed = seed.unwrap_or_else(rand::random);
            kill::run(
                &folder,
                Plan {
                    payments,
                    kills,
                    seed,
                },
            )
            .await?
        }
    };
    run.print();
    let name = format!(
        "{}-{}.json",
        run.scenario,
        run.started_at.format("%Y%m%dT%H%M%SZ")
    );
    run.write(&cli.reports.join(name))?;
    Ok(run.violations.is_empty())
}
