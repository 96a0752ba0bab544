//! Programs from the system's packages: finding them, and installing them when we may.

use std::io::IsTerminal;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::ui::Step;

/// A program the platform needs and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    PostgreSql,
    Redis,
    RabbitMq,
    Chromium,
    /// Reads the text of PDF files.
    PdfToText,
    /// Makes the virtual environment in which the vendors' own packages speak to us in tests.
    PythonVenv,
}

impl Program {
    /// The Debian package that holds it.
    pub fn package(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Redis => "redis-server",
            Self::RabbitMq => "rabbitmq-server",
            Self::Chromium => "chromium",
            Self::PdfToText => "poppler-utils",
            Self::PythonVenv => "python3-venv",
        }
    }

    /// Where its programs are: the folder of the binaries, or the binary itself for a single one.
    pub fn find(self) -> Option<PathBuf> {
        match self {
            Self::PostgreSql => postgresql_folder(),
            Self::Redis => on_path("redis-server"),
            Self::RabbitMq => rabbitmq_folder(),
            Self::Chromium => on_path("chromium")
                .or_else(|| on_path("chromium-browser"))
                .or_else(|| on_path("google-chrome")),
            Self::PdfToText => on_path("pdftotext"),
            Self::PythonVenv => on_path("python3").filter(|python| {
                std::process::Command::new(python)
                    .args(["-c", "import ensurepip, venv"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|status| status.success())
            }),
        }
    }
}

/// Installs what is missing of `programs` with apt, when we are root or may become it.
///
/// # Errors
/// When something is missing and cannot be installed; the message says what to install.
pub async fn ensure(programs: &[Program], step: &Step) -> Result<()> {
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|program| program.find().is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package()).collect();
    install_packages(&packages, step).await?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|program| program.find().is_none())
        .map(|program| program.package())
        .collect();
    if still.is_empty() {
        Ok(())
    } else {
        bail!(
            "apt installed {} but its programs were not found afterwards; please report this",
            still.join(", ")
        )
    }
}

/// Installs Debian packages without starting the system services that come with them: Tabib runs
/// private instances and leaves the machine's own ports alone.
async fn install_packages(packages: &[&str], step: &Step) -> Result<()> {
    let wanted = packages.join(" ");
    let by_hand = format!(
        "these packages are missing: {wanted}. Install them with\n    \
         sudo apt-get install --no-install-recommends {wanted}\n\
         or point DATABASE_URL, REDIS_URL and AMQP_URL to servers that already run, and start again"
    );
    if on_path("apt-get").is_none() {
        bail!("{by_hand} (this machine has no apt-get; use its own package manager)");
    }
    let Some(root) = root_prefix() else {
        bail!("{by_hand}");
    };
    let guard = QuietInstall::begin(&root);
    let result = async {
        apt(&root, &["update"], step).await.ok();
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(packages);
        apt(&root, &arguments, step).await
    }
    .await;
    drop(guard);
    result.with_context(|| format!("installing {wanted} failed; {by_hand}"))
}

async fn apt(root: &[&str], arguments: &[&str], step: &Step) -> Result<()> {
    let mut words: Vec<&str> = root.to_vec();
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    words.extend(arguments);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start apt-get")?;
    let output = child.stdout.take().context("apt-get has no output")?;
    let errors = child.stderr.take().context("apt-get has no error output")?;
    let collect = tokio::spawn(async move {
        let mut lines = BufReader::new(errors).lines();
        let mut text = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            text.push(line);
        }
        text
    });
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        step.note(&line);
    }
    let status = child.wait().await?;
    let errors = collect.await.unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let last: Vec<String> = errors.into_iter().rev().take(5).rev().collect();
    bail!("apt-get {}: {}", arguments.join(" "), last.join("\n"))
}

/// How to run a command as root: nothing in front when we are root, `sudo` when it can be asked.
fn root_prefix() -> Option<Vec<&'static str>> {
    if nix::unistd::geteuid().is_root() {
        return Some(Vec::new());
    }
    on_path("sudo")?;
    if std::io::stdin().is_terminal() {
        return Some(vec!["sudo"]);
    }
    let silent = std::process::Command::new("sudo")
        .args(["-n", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    silent.then(|| vec!["sudo", "-n"])
}

/// While it lives, `/usr/sbin/policy-rc.d` forbids packages to start system services. A policy
/// that exists already is left alone; ours is removed at the end.
struct QuietInstall {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl QuietInstall {
    fn begin(root: &[&str]) -> Self {
        // With sudo the system's own policy decides: writing there needs a second elevated step
        // that a person would not expect.
        if !root.is_empty() || Path::new(POLICY).exists() {
            return Self { ours: false };
        }
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY)
            .and_then(|mut file| {
                use std::io::Write;
                file.write_all(b"#!/bin/sh\nexit 101\n")
            });
        Self {
            ours: written.is_ok(),
        }
    }
}

impl Drop for QuietInstall {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

/// An executable of this name on `PATH`, or in the usual folders that a user's `PATH` may lack.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn postgresql_folder() -> Option<PathBuf> {
    let named = std::env::var_os("PG_BINDIR").map(PathBuf::from);
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    let beside_pg_ctl = on_path("pg_ctl")
        .and_then(|file| std::fs::canonicalize(file).ok())
        .and_then(|file| file.parent().map(Path::to_owned));
    named
        .into_iter()
        .chain(newest_first)
        .chain(beside_pg_ctl)
        .find(|folder| {
            is_executable(&folder.join("initdb")) && is_executable(&folder.join("postgres"))
        })
}

/// RabbitMQ's own scripts, not the wrappers of `/usr/sbin`: those change the folder and the user.
fn rabbitmq_folder() -> Option<PathBuf> {
    ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"]
        .map(PathBuf::from)
        .into_iter()
        .find(|folder| is_executable(&folder.join("rabbitmq-server")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-of-tabib").is_none());
    }
}
