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

const NAMES: [&str; 1] = ["gateway"];

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
    let outcome = tokio::time::timeout(
        Duration::from_secs(600),
        bench::gateway::run(&cli.binaries, seconds, &mut report),
    )
    .await;
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

#[allow(clippy::print_stderr)]
fn fail(text: &str) -> ExitCode {
    eprintln!("bench: {text}");
    ExitCode::FAILURE
}
