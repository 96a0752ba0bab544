//! `tabib-bench [NAME]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::report::Report;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Benchmarks against peers in the same run")]
struct Cli {
    /// One benchmark; all when absent.
    name: Option<String>,
    /// Folder of the optimised binaries.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// Where the report is written.
    #[arg(long, default_value = "target/bench/report.json")]
    report: PathBuf,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
}

const NAMES: [&str; 3] = ["gateway", "auth", "payments"];

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(name) = &cli.name
        && !NAMES.contains(&name.as_str())
    {
        return fail(&format!(
            "there is no benchmark `{name}`; there are: {}",
            NAMES.join(", ")
        ));
    }
    let seconds = Duration::from_secs(cli.seconds.clamp(2, 60));
    let mut report = Report::start();
    // Bounded: a hanging peer must not hold a machine.
    let outcome =
        tokio::time::timeout(Duration::from_secs(600), run(&cli, seconds, &mut report)).await;
    let written = report.write(&cli.report);
    report.print();
    match (outcome, written) {
        (Ok(Ok(())), Ok(())) => ExitCode::SUCCESS,
        (Ok(Ok(())), Err(error)) => {
            fail(&format!("cannot write {}: {error}", cli.report.display()))
        }
        (Ok(Err(error)), _) => fail(&format!("{error:#}")),
        (Err(_), _) => fail("not finished within ten minutes"),
    }
}

/// The named benchmark, or all.
async fn run(cli: &Cli, seconds: Duration, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |name: &str| cli.name.as_deref().is_none_or(|given| given == name);
    if wanted("gateway") {
        bench::gateway::run(&cli.binaries, seconds, report).await?;
    }
    if wanted("auth") {
        bench::auth::run(&cli.binaries, seconds, report).await?;
    }
    if wanted("payments") {
        bench::payments::run(&cli.binaries, seconds, report).await?;
    }
    Ok(())
}

#[allow(clippy::print_stderr)]
fn fail(text: &str) -> ExitCode {
    eprintln!("bench: {text}");
    ExitCode::FAILURE
}
