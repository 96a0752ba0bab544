//! A private PostgreSQL.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::User;
use tokio::process::Command;

use super::BackingOptions;
use crate::install::Program;
use crate::ports;
use crate::process::ProcessId;

/// A running private server.
pub struct Postgres {
    pub port: u16,
    folder: PathBuf,
    password: Option<String>,
}

impl Postgres {
    /// Creates the cluster when there is none and starts it; a running one is used again.
    pub async fn start(options: &BackingOptions) -> Result<Self> {
        let server = Self {
            port: options.ports.postgres,
            folder: options.folder.join("pg"),
            password: options.passwords.as_ref().map(|it| it.postgres.clone()),
        };
        if let Some(port) = server.running_port() {
            return Ok(Self { port, ..server });
        }
        if !ports::is_free(server.port) {
            bail!(ports::taken_message("postgres", server.port));
        }
        let binaries = Program::PostgreSql
            .find()
            .context("PostgreSQL is not installed")?;
        server.own_folder()?;
        if !server.data().join("PG_VERSION").exists() {
            server.create_cluster(&binaries, options.durable).await?;
        }
        server.start_server(&binaries, options.durable).await?;
        Ok(server)
    }

    /// The address of a superuser.
    pub fn url(&self) -> String {
        let password = self
            .password
            .as_ref()
            .map(|password| format!(":{password}"))
            .unwrap_or_default();
        format!(
            "postgres://postgres{password}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// Stops the server: open transactions are rolled back, nothing committed is lost.
    pub async fn stop(self) {
        stop_in(&self.folder).await;
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The port of the server that runs on our data folder now, from its own pid file.
    fn running_port(&self) -> Option<u16> {
        let (_, port) = running(&self.folder)?;
        Some(port)
    }

    fn own_folder(&self) -> Result<()> {
        crate::layout::create_folder_for(&self.folder, 0o750, server_user()?)
    }

    async fn create_cluster(&self, binaries: &Path, durable: bool) -> Result<()> {
        let user = server_user()?;
        let mut command = as_server_user(&binaries.join("initdb"), user);
        command.arg("-D").arg(self.data()).args([
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]);
        let password_file = self.folder.join("password");
        match &self.password {
            Some(password) => {
                write_private(&password_file, password, user)?;
                command
                    .args(["-A", "scram-sha-256", "--pwfile"])
                    .arg(&password_file);
            }
            None => {
                command.args(["-A", "trust"]);
            }
        }
        if !durable {
            command.arg("--no-sync");
        }
        let output = command.output().await.context("cannot start initdb")?;
        let _ = std::fs::remove_file(&password_file);
        if !output.status.success() {
            let _ = std::fs::remove_dir_all(self.data());
            bail!(
                "creating the database cluster in {} failed: {}",
                self.data().display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    async fn start_server(&self, binaries: &Path, durable: bool) -> Result<()> {
        let user = server_user()?;
        let mut settings = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c max_connections=400 -c shared_buffers=128MB -c log_min_duration_statement=2s",
            self.port
        );
        if !durable {
            settings.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let log = self.folder.join("log");
        let output = as_server_user(&binaries.join("pg_ctl"), user)
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(&log)
            .args(["-w", "-t", "60", "-o", &settings, "start"])
            .process_group(0)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .await
            .context("cannot start pg_ctl")?;
        if !output.success() {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            bail!(
                "PostgreSQL did not start: {}",
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        Ok(())
    }
}

/// Stops the server of a `pg` folder, when one runs there.
pub async fn stop_in(folder: &Path) {
    if let Some((process, _)) = running(folder) {
        // SIGINT is PostgreSQL's "fast" shutdown.
        process.signal(nix::sys::signal::Signal::SIGINT);
        if !process.wait_gone(Duration::from_secs(20)).await {
            process.signal(nix::sys::signal::Signal::SIGQUIT);
            process.wait_gone(Duration::from_secs(10)).await;
        }
    }
}

/// The server that runs on the data of a `pg` folder, and its port, from its own pid file.
pub fn running(folder: &Path) -> Option<(ProcessId, u16)> {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let process = ProcessId::of(lines.first()?.trim().parse().ok()?)?;
    let is_postgres = crate::process::name_of(process.pid).is_some_and(|name| name == "postgres");
    let port = lines.get(3)?.trim().parse().ok()?;
    is_postgres.then_some((process, port))
}

/// The user PostgreSQL runs as: `postgres` when we are root (it refuses root), else ourselves.
fn server_user() -> Result<Option<(u32, u32)>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")
        .context("cannot read the list of users")?
        .context("there is no user postgres; the package postgresql creates it")?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

/// A command of the server user, in a folder that user may be in.
fn as_server_user(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn write_private(path: &Path, text: &str, user: Option<(u32, u32)>) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}
