//! What a run did and found, for people and as JSON for the proof document.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::invariants::{CHECKED, Violation};

/// One run of the lab.
#[derive(Debug, Serialize)]
pub struct Run {
    /// `kill` or `check`.
    pub scenario: &'static str,
    /// When it began.
    pub started_at: chrono::DateTime<chrono::Utc>,
    /// Seed of its random choices: the same seed kills in the same order.
    pub seed: Option<u64>,
    /// What it did, in words and numbers.
    pub figures: serde_json::Value,
    /// The invariants that were checked.
    pub checked: Vec<&'static str>,
    /// What did not hold.
    pub violations: Vec<Violation>,
}

impl Run {
    /// A run that begins now.
    pub fn begin(scenario: &'static str, seed: Option<u64>) -> Self {
        Self {
            scenario,
            started_at: chrono::Utc::now(),
            seed,
            figures: serde_json::Value::Null,
            checked: CHECKED.iter().map(|(id, _)| *id).collect(),
            violations: Vec::new(),
        }
    }

    /// Prints what was found.
    #[allow(clippy::print_stdout)]
    pub fn print(&self) {
        println!("{}: {}", self.scenario, self.figures);
        for (id, text) in CHECKED {
            let broken = self
                .violations
                .iter()
                .filter(|violation| violation.invariant == id)
                .count();
            println!(
                "{id} {}  {text}",
                if broken == 0 { "holds " } else { "BROKEN" }
            );
        }
        for violation in &self.violations {
            println!("  {violation}");
        }
    }

    /// Writes the JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(
            path,
            serde_json::to_string_pretty(self)? + "\n",
        )?)
    }
}
