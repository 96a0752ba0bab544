//! What a person at the terminal sees: one line per step, with its duration, and a live note under
//! a step that takes long.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a long step repeats its note when the output is not a terminal.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);

/// Prints one line to standard output. A closed pipe is not an error worth dying for.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.as_ref());
    let _ = out.flush();
}

/// Prints one line to standard error.
pub fn warn(text: impl AsRef<str>) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{}", text.as_ref());
}

/// A sentence a person can read for `duration`: `0.4 s`, `12 s`, `3 min 05 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 10 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// One visible step. It prints its name when it starts and its duration when it ends.
pub struct Step {
    name: String,
    started: Instant,
    noted: Mutex<Option<Instant>>,
    quiet: bool,
}

impl Step {
    /// Starts a step and shows its name.
    pub fn start(name: impl Into<String>) -> Self {
        let step = Self::quiet(name);
        if std::io::stdout().is_terminal() {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "  … {}", step.name);
            let _ = out.flush();
        }
        Self {
            quiet: false,
            ..step
        }
    }

    /// A step that prints nothing: for tests and for commands whose output is data.
    pub fn quiet(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            started: Instant::now(),
            noted: Mutex::new(None),
            quiet: true,
        }
    }

    /// Shows what the step is doing now: rewritten in place on a terminal, else at most every
    /// five seconds.
    pub fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        if std::io::stdout().is_terminal() {
            let short: String = text.chars().take(60).collect();
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "\r\x1b[K  … {}: {short}", self.name);
            let _ = out.flush();
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.unwrap_or(self.started).elapsed() >= NOTE_INTERVAL {
            *noted = Some(Instant::now());
            line(format!("    {}: {text}", self.name));
        }
    }

    /// Ends the step well; `result` says what came out of it.
    pub fn done(self, result: impl AsRef<str>) {
        self.finish("✓", result.as_ref());
    }

    /// Ends the step badly; the error itself is printed by the caller.
    pub fn failed(self) {
        self.finish("✗", "failed");
    }

    fn finish(self, mark: &str, result: &str) {
        if self.quiet {
            return;
        }
        let clear = if std::io::stdout().is_terminal() {
            "\r\x1b[K"
        } else {
            ""
        };
        line(format!(
            "{clear}  {mark} {:<18} {:>10}  {result}",
            self.name,
            duration(self.started.elapsed())
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(430)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(12)), "12 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }
}
