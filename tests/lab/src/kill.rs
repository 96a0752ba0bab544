//! Q-M4 in small: payments go on while processes are killed with -9, one after the other, at random moments.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use launcher::demo::{
    Options, Story, create_invoice, exam_type, pay_invoice, register_patient, wait_paid,
};
use launcher::layout::Layout;
use launcher::state::RunState;
use launcher::testing::platform::share;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::watch;

use crate::databases::Databases;
use crate::invariants::{check_all, delivery};
use crate::report::Run;

/// How long a payment may take while everything dies around it, and events afterwards.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Invoices paid online.
    pub payments: u32,
    /// Processes killed at least.
    pub kills: u32,
    /// Seed of who dies when.
    pub seed: u64,
}

/// Runs the storm on the test platform of `folder`, then checks what must hold.
///
/// # Errors
/// When the platform cannot be started or a payment does not come through; violations are in the run.
pub async fn run(folder: &Path, plan: Plan) -> Result<Run> {
    let mut run = Run::begin("kill", Some(plan.seed));
    let layout = Layout::discover()?;
    let share = share(&layout, folder).await?;
    let running = &share.running;
    let story = Story::new(&Options {
        url: running.url(),
        sessions: folder.join("lab-sessions"),
        patience: PATIENCE,
        before_step: None,
    })?;
    let secretary = story.token("secretary").await?;
    let exam = exam_type(&story, &secretary).await?;
    let (stop, stopped) = watch::channel(false);
    let killer = tokio::spawn(kill_until(running.data.clone(), plan, stopped));
    let mut outcome = Ok(());
    for number in 1..=plan.payments {
        outcome = one_payment(&story, &secretary, &exam)
            .await
            .with_context(|| format!("payment {number}"));
        if outcome.is_err() {
            break;
        }
    }
    stop.send_replace(true);
    let killed = killer.await??;
    outcome?;
    ensure!(
        killed.len() as u64 >= u64::from(plan.kills),
        "only {} processes were killed",
        killed.len()
    );
    let databases = Databases::connect(&running.database, &running.namespace).await?;
    let rested = delivery::at_rest(&databases, PATIENCE).await?;
    run.violations = check_all(&databases).await?;
    run.figures = json!({"payments": plan.payments, "killed": killed, "events_at_rest": rested});
    Ok(run)
}

async fn one_payment(story: &Story, secretary: &str, exam: &serde_json::Value) -> Result<()> {
    let patient = register_patient(story, secretary).await?;
    let invoice = create_invoice(story, secretary, &patient, exam).await?;
    pay_invoice(story, secretary, &invoice, "approve").await?;
    wait_paid(story, secretary, &invoice).await
}

/// Kills a random process at random moments until told to stop and until enough died.
async fn kill_until(
    data: std::path::PathBuf,
    plan: Plan,
    mut stopped: watch::Receiver<bool>,
) -> Result<Vec<String>> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut killed = Vec::new();
    loop {
        let pause = Duration::from_millis(random.random_range(300..1500));
        let over = tokio::time::timeout(pause, stopped.wait_for(|over| *over))
            .await
            .is_ok();
        if over && killed.len() as u64 >= u64::from(plan.kills) {
            return Ok(killed);
        }
        if over {
            tokio::time::sleep(pause).await;
        }
        let state = RunState::read(&data).context("the platform is gone")?;
        // The simulators stand for other people's systems; killing them is another scenario.
        let names: Vec<&String> = state
            .processes
            .keys()
            .filter(|name| *name != "simulators")
            .collect();
        ensure!(!names.is_empty(), "there is nobody to kill");
        let name = names[random.random_range(0..names.len())];
        state.processes[name].id.signal(Signal::SIGKILL);
        killed.push(name.clone());
    }
}
