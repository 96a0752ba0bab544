//! Building the binaries with cargo, its progress summarised and its whole output kept in a log.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::layout::Layout;
use crate::ui::Step;

/// Checks that the Rust toolchain is new enough (`rust-version` of the workspace).
pub async fn check_toolchain(layout: &Layout) -> Result<String> {
    let output = Command::new("rustc")
        .arg("--version")
        .current_dir(&layout.checkout)
        .output()
        .await
        .context("rustc was not found; install Rust from https://rustup.rs and open a new shell")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let wanted = required_version(&layout.checkout)?;
    let found = text
        .split_whitespace()
        .nth(1)
        .and_then(version)
        .with_context(|| format!("`rustc --version` says something unexpected: {text}"))?;
    if found < version(&wanted).unwrap_or_default() {
        bail!("Rust {wanted} or newer is needed, this is {text}; run `rustup update stable`");
    }
    Ok(text)
}

/// Builds every binary of the workspace. Always the whole workspace: one feature set, one target
/// folder, so nothing is compiled twice.
pub async fn build(layout: &Layout, step: &Step) -> Result<()> {
    let log = layout.log("build");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The launcher's own folder says in which profile it was built; the services follow it.
    if layout.bin.ends_with("release") {
        command.arg("build").arg("--release");
    } else {
        command.arg("build");
    }
    command
        .args(["--workspace", "--bins", "--locked", "--color", "never"])
        .current_dir(&layout.checkout);
    let compiled = watch(command, &log, |line, count| {
        if let Some(package) = line.trim_start().strip_prefix("Compiling ") {
            step.note(&format!("{count} packages compiled, now {package}"));
        } else if line.contains("Downloading") || line.contains("Updating") {
            step.note(line.trim());
        }
    })
    .await?;
    match compiled {
        Ok(_) => Ok(()),
        Err(output) => bail!(
            "the build failed; its whole output is in {}\n{}",
            log.display(),
            first_errors(&output)
        ),
    }
}

/// Runs a command, shows its lines to `note` and writes all of them to `log`. Answers how many
/// packages were compiled, or the whole output when the command failed.
pub async fn watch(
    mut command: Command,
    log: &Path,
    note: impl Fn(&str, usize),
) -> Result<Result<usize, String>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the command")?;
    let mut file = tokio::fs::File::create(log)
        .await
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut errors = BufReader::new(child.stderr.take().context("no error output")?).lines();
    let (mut output_open, mut errors_open) = (true, true);
    let mut all = String::new();
    let mut compiled = 0;
    while output_open || errors_open {
        let line = tokio::select! {
            line = output.next_line(), if output_open => {
                let line = line.unwrap_or_default();
                output_open = line.is_some();
                line
            }
            line = errors.next_line(), if errors_open => {
                let line = line.unwrap_or_default();
                errors_open = line.is_some();
                line
            }
        };
        let Some(line) = line else { continue };
        compiled += usize::from(line.trim_start().starts_with("Compiling "));
        note(&line, compiled);
        file.write_all(line.as_bytes()).await?;
        file.write_all(b"\n").await?;
        all.push_str(&line);
        all.push('\n');
    }
    file.flush().await?;
    Ok(if child.wait().await?.success() {
        Ok(compiled)
    } else {
        Err(all)
    })
}

/// The first compiler errors, with some lines around each.
fn first_errors(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let start = lines
        .iter()
        .position(|line| line.starts_with("error"))
        .unwrap_or(lines.len().saturating_sub(30));
    lines[start..lines.len().min(start + 30)].join("\n")
}

fn required_version(checkout: &Path) -> Result<String> {
    let text = std::fs::read_to_string(checkout.join("Cargo.toml"))?;
    let manifest: toml::Value = toml::from_str(&text)?;
    manifest
        .get("workspace")
        .and_then(|it| it.get("package"))
        .and_then(|it| it.get("rust-version"))
        .and_then(toml::Value::as_str)
        .map(str::to_owned)
        .context("Cargo.toml has no workspace.package.rust-version")
}

/// `1.95.0-nightly` as comparable numbers.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("1.95.0") > version("1.9.0"));
        assert_eq!(version("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(version("next"), None);
    }

    #[test]
    fn the_first_error_is_shown() {
        let output = "   Compiling a\nerror[E0425]: cannot find value\n --> src/lib.rs\n";
        assert!(first_errors(output).starts_with("error[E0425]"));
    }

    #[tokio::test]
    async fn output_is_counted_logged_and_returned_on_failure() {
        let log = std::env::temp_dir().join(format!("tabib-watch-{}.log", std::process::id()));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo '   Compiling one'; echo '   Compiling two' >&2"]);
        assert_eq!(watch(command, &log, |_, _| {}).await.unwrap(), Ok(2));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo broken; exit 3"]);
        let failed = watch(command, &log, |_, _| {}).await.unwrap();
        assert_eq!(failed, Err("broken\n".to_owned()));
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "broken\n");
        std::fs::remove_file(&log).unwrap();
    }
}
