//! `tabib status`: what runs, since when, how often it was started again, whether it is ready.

use anyhow::Result;

use crate::health::{answers_ready, http_client};
use crate::layout::Layout;
use crate::state::RunState;
use crate::ui;

/// Prints the status. Answers whether a platform runs and every process of it is ready.
pub async fn show(layout: &Layout) -> Result<bool> {
    let Some(state) = RunState::read(&layout.data) else {
        ui::line("Tabib does not run here. Start it with `make run`.");
        return Ok(false);
    };
    if !state.launcher.alive() {
        let left = state.processes.values().filter(|it| it.id.alive()).count();
        ui::line(format!(
            "Tabib does not run: its launcher ended without stopping everything. \
             {left} of its processes are still there; `tabib stop` ends them."
        ));
        return Ok(false);
    }
    ui::line(format!(
        "Tabib {} at http://localhost:{} since {} (launcher is process {}).",
        if state.ready { "runs" } else { "is starting" },
        state.ports.gateway,
        state.started_at.format("%Y-%m-%d %H:%M:%S UTC"),
        state.launcher.pid
    ));
    ui::line("");
    ui::line(format!(
        "  {:<24} {:>8} {:>6} {:>9} {:>9} {:>9}  state",
        "process", "id", "port", "up", "memory", "restarts"
    ));
    let client = http_client()?;
    let mut all_ready = state.ready;
    for (name, process) in &state.processes {
        let alive = process.id.alive();
        let ready = alive && answers_ready(&client, process.port).await;
        all_ready &= ready;
        let word = match (alive, ready) {
            (false, _) => "down, being started again",
            (true, false) => "not ready",
            (true, true) => "ready",
        };
        ui::line(format!(
            "  {name:<24} {:>8} {:>6} {:>9} {:>9} {:>9}  {word}",
            process.id.pid,
            process.port,
            process.id.age().map(ui::duration).unwrap_or_default(),
            memory(process.id.pid),
            process.restarts,
        ));
    }
    Ok(all_ready)
}

/// Resident memory of a process, as a person reads it.
fn memory(pid: i32) -> String {
    let kilobytes = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        });
    kilobytes.map_or_else(|| "-".to_owned(), |it| format!("{} MiB", it / 1024))
}
