//! The load generator: `wrk` with many tokens, its figures read back.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// What one run of `wrk` said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Answers.
    pub requests: u64,
    /// Answers per second.
    pub per_second: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
}

/// Whether it is installed.
pub fn is_installed() -> bool {
    crate::process::is_installed("wrk")
}

/// Writes a script that sends the tokens of a file in turn.
///
/// # Errors
/// When it cannot be written.
pub fn script(folder: &Path, tokens: &Path) -> Result<std::path::PathBuf> {
    let path = folder.join(format!(
        "{}.lua",
        tokens
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("tokens")
    ));
    // `wrk.format` needs the final host and path, which are known in `init`.
    let text = format!(
        "local heads, at = {{}}, 0\n\
         function init(args)\n  for line in io.lines({:?}) do\n    \
         heads[#heads + 1] = wrk.format('GET', nil, {{['Authorization'] = 'Bearer ' .. line}})\n  end\nend\n\
         function request()\n  at = at % #heads + 1\n  return heads[at]\nend\n",
        tokens.display().to_string(),
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Runs it against an address. Any answer but 2xx fails.
///
/// # Errors
/// When it cannot run, when an answer was wrong, when its output cannot be read.
pub async fn run(url: &str, script: &Path, connections: u32, length: Duration) -> Result<Load> {
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{}s", length.as_secs()),
            "--latency",
            "-s",
        ])
        .arg(script)
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "wrk failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Load> {
    for line in text.lines() {
        if line.contains("Non-2xx or 3xx responses") || line.contains("Socket errors") {
            bail!("wrong answers under load: {}", line.trim());
        }
    }
    let find = |start: &str| {
        text.lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(start))
            .map(str::trim)
    };
    let requests = text
        .lines()
        .map(str::trim)
        .find_map(|line| line.split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())
        .context("wrk did not say how many requests it made")?;
    let per_second = find("Requests/sec:")
        .and_then(|rest| rest.parse().ok())
        .context("wrk gave no rate")?;
    let p99_ms = find("99%")
        .and_then(milliseconds)
        .context("wrk gave no 99th percentile")?;
    Ok(Load {
        requests,
        per_second,
        p99_ms,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1000.0)
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 6s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  Latency Distribution\n     \
                        50%    1.10ms\n     99%  812.00us\n  120345 requests in 6.00s, 20.00MB read\nRequests/sec:  20057.13\n";

    #[test]
    fn figures_are_read_and_wrong_answers_fail() {
        let load = parse(GOOD).unwrap();
        assert_eq!(
            (load.requests, load.per_second, load.p99_ms),
            (120_345, 20_057.13, 0.812)
        );
        assert!(parse(&format!("{GOOD}  Non-2xx or 3xx responses: 3\n")).is_err());
        assert!(parse(&format!("{GOOD}  Socket errors: connect 0, read 4\n")).is_err());
        assert!(parse("nonsense").is_err());
        assert_eq!(milliseconds("1.5s"), Some(1500.0));
    }
}
