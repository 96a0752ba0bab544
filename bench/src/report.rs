//! One table for people, one file for machines.

use std::path::Path;

use serde::Serialize;

/// One measured line.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Unit of `ours` and `peer`.
    pub unit: &'static str,
    /// Our figure.
    pub ours: f64,
    /// The peer's figure in the same run; `None` when the goal is absolute or the peer is missing.
    pub peer: Option<f64>,
    /// Name of the peer.
    pub peer_name: String,
    /// Ours against the peer's, above 1 when ours is better.
    pub ratio: Option<f64>,
    /// The goal in words.
    pub goal: String,
    /// Whether it is met; `None` without a goal or without the peer.
    pub met: Option<bool>,
}

/// All lines of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it began.
    pub started_at: chrono::DateTime<chrono::Utc>,
    /// Cores of the machine.
    pub cores: usize,
    /// Load average of the last minute at the start: other work makes figures worse.
    pub load: f64,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What could not be measured and why.
    pub notes: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn start() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            started_at: chrono::Utc::now(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load: load
                .split_whitespace()
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A line where less is better, with the least ratio peer / ours that meets the goal.
    pub fn less_is_better(
        &mut self,
        what: &str,
        unit: &'static str,
        ours: f64,
        peer: (&str, Option<f64>),
        least: f64,
    ) {
        let ratio = peer.1.map(|peer| peer / ours);
        self.push(
            what,
            unit,
            ours,
            peer,
            ratio,
            format!("{least}× of the peer"),
            least,
        );
    }

    /// A line where more is better, with the least ratio ours / peer that meets the goal.
    pub fn more_is_better(
        &mut self,
        what: &str,
        unit: &'static str,
        ours: f64,
        peer: (&str, Option<f64>),
        least: f64,
    ) {
        let ratio = peer.1.map(|peer| ours / peer);
        self.push(
            what,
            unit,
            ours,
            peer,
            ratio,
            format!("{least}× of the peer"),
            least,
        );
    }

    /// A line with an absolute goal.
    pub fn at_most(&mut self, what: &str, unit: &'static str, ours: f64, most: f64) {
        self.rows.push(Row {
            what: what.to_owned(),
            unit,
            ours,
            peer: None,
            peer_name: String::new(),
            ratio: None,
            goal: format!("at most {most} {unit}"),
            met: Some(ours <= most),
        });
    }

    /// Something that was not measured.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    #[allow(clippy::too_many_arguments)]
    fn push(
        &mut self,
        what: &str,
        unit: &'static str,
        ours: f64,
        peer: (&str, Option<f64>),
        ratio: Option<f64>,
        goal: String,
        least: f64,
    ) {
        self.rows.push(Row {
            what: what.to_owned(),
            unit,
            ours,
            peer: peer.1,
            peer_name: peer.0.to_owned(),
            ratio,
            goal,
            met: ratio.map(|ratio| ratio >= least),
        });
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Prints the table.
    #[allow(clippy::print_stdout)]
    pub fn print(&self) {
        println!(
            "
{:<54} {:>12} {:>12} {:>7}  {:<22} met",
            "what", "ours", "peer", "ratio", "goal"
        );
        for row in &self.rows {
            let number = |value: f64| {
                if value >= 1000.0 {
                    format!("{value:.0}")
                } else {
                    format!("{value:.1}")
                }
            };
            let peer = row.peer.map_or_else(|| "–".to_owned(), number);
            let ratio = row
                .ratio
                .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
            let met = match row.met {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "not measured",
            };
            let what = if row.peer_name.is_empty() {
                format!("{} [{}]", row.what, row.unit)
            } else {
                format!("{} [{}] / {}", row.what, row.unit, row.peer_name)
            };
            println!(
                "{what:<54} {:>12} {peer:>12} {ratio:>7}  {:<22} {met}",
                number(row.ours),
                row.goal
            );
        }
        for note in &self.notes {
            println!("note: {note}");
        }
        println!("{} cores, load {:.2} at the start", self.cores, self.load);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_in_the_right_direction() {
        let mut report = Report::start();
        report.less_is_better("cpu", "µs", 20.0, ("haproxy", Some(66.0)), 3.0);
        report.more_is_better("rate", "/s", 20.0, ("haproxy", Some(10.0)), 3.0);
        report.more_is_better("rate", "/s", 20.0, ("haproxy", None), 3.0);
        report.at_most("memory", "KiB", 16.0, 15.0);
        let met: Vec<_> = report.rows.iter().map(|row| row.met).collect();
        assert_eq!(met, [Some(true), Some(false), None, Some(false)]);
    }
}
