//! The `tabib` command.

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use launcher::layout::Layout;
use launcher::run::RunFlags;
use launcher::{checks, demo, doctor, logs, run, status, testing, ui};

/// Tabib: one platform for clinics.
#[derive(Parser)]
#[command(name = "tabib", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything: backing services, build, migrations, all processes, demo data.
    Run {
        /// Use the binaries as they are.
        #[arg(long)]
        no_build: bool,
        /// Leave the web application as it is.
        #[arg(long)]
        no_web: bool,
    },
    /// Stop everything that `tabib run` started, and nothing else.
    Stop,
    /// Show what runs.
    Status,
    /// Show the log of one process: portal, portal-worker, gateway, simulators, build.
    Logs {
        process: String,
        /// Go on showing what is added.
        #[arg(short, long)]
        follow: bool,
        /// How many lines to begin with.
        #[arg(short = 'n', long, default_value_t = 100)]
        lines: usize,
    },
    /// Say what is wrong with this machine or configuration.
    Doctor,
    /// Load the demo data again (it is loaded by `run`; nothing is doubled).
    Seed,
    /// Tell the story of one clinic day through the gateway, ten steps, each answer checked.
    Demo {
        /// The gateway to talk to; the running platform's by default.
        #[arg(long)]
        url: Option<String>,
    },
    /// Print the diesel schema of a service, compare it with the committed one, or write it.
    Schema {
        /// The service, or nothing for all.
        service: Option<String>,
        #[arg(long, conflicts_with = "write")]
        check: bool,
        #[arg(long)]
        write: bool,
    },
    /// Write docs/openapi/ from the binaries, or compare.
    Openapi {
        #[arg(long)]
        check: bool,
    },
    /// Build the web application into web/dist.
    Web {
        /// Lint and test it instead.
        #[arg(long)]
        test: bool,
    },
    /// Install what the tests need: the servers' packages and Chromium.
    PrepareTests,
    /// Remove all data of `tabib run`, after asking.
    CleanData {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Check the rules no compiler checks: dependencies, settings.
    Rules,
    /// Private PostgreSQL, Redis and RabbitMQ for tests.
    TestServices {
        #[command(subcommand)]
        command: TestServices,
    },
    /// The platform of the end-to-end tests; ends when no test uses it any more.
    #[command(hide = true)]
    TestPlatform { folder: std::path::PathBuf },
}

#[derive(Subcommand)]
enum TestServices {
    /// Start them and print `export` lines.
    Start,
    /// Stop and remove what `start` started.
    Stop,
    /// Start them, run a command, stop and remove them.
    Run {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match execute(Arguments::parse().command).await {
        Ok(code) => std::process::ExitCode::from(code),
        Err(error) => {
            ui::warn(format!("\ntabib: {error:#}"));
            std::process::ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<u8> {
    let layout = Layout::discover()?;
    let well = match command {
        Command::Run { no_build, no_web } => {
            run::run(&layout, RunFlags { no_build, no_web }).await?;
            true
        }
        Command::Stop => run::stop(&layout).await.map(|()| true)?,
        Command::Status => status::show(&layout).await?,
        Command::Logs {
            process,
            follow,
            lines,
        } => logs::show(&layout, &process, lines, follow)
            .await
            .map(|()| true)?,
        Command::Doctor => doctor::examine(&layout).await?,
        Command::Seed => run::seed(&layout).await.map(|()| true)?,
        Command::Demo { url } => demo::tell(&layout, url).await.map(|()| true)?,
        Command::Schema {
            service,
            check,
            write,
        } => checks::schema(&layout, service.as_deref(), check, write).await?,
        Command::Openapi { check } => checks::openapi(&layout, check).await?,
        Command::Web { test } => run::web(&layout, test).await.map(|()| true)?,
        Command::PrepareTests => testing::prepare(&layout).await.map(|()| true)?,
        Command::CleanData { yes } => run::clean_data(&layout, yes).await.map(|()| true)?,
        Command::Rules => checks::rules(&layout).await?,
        Command::TestServices { command } => match command {
            TestServices::Start => testing::start(&layout).await.map(|()| true)?,
            TestServices::Stop => testing::stop(&layout).await.map(|()| true)?,
            TestServices::Run { command } => {
                let code = testing::run(&layout, &command).await?;
                return Ok(u8::try_from(code).unwrap_or(1));
            }
        },
        Command::TestPlatform { folder } => {
            if !folder.is_absolute() {
                bail!("the folder must be absolute");
            }
            testing::platform::serve(&layout, &folder)
                .await
                .map(|()| true)?
        }
    };
    Ok(u8::from(!well))
}
