//! A private Redis.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::BackingOptions;
use crate::install::Program;
use crate::layout::create_folder;
use crate::ports;
use crate::process::{self, ProcessId};

/// A running private server.
pub struct Redis {
    pub port: u16,
    folder: PathBuf,
    password: Option<String>,
}

impl Redis {
    /// Starts the server, or uses the one that still runs in this folder.
    pub async fn start(options: &BackingOptions) -> Result<Self> {
        let server = Self {
            port: options.ports.redis,
            folder: options.folder.join("redis"),
            password: options.passwords.as_ref().map(|it| it.redis.clone()),
        };
        if running(&server.folder).is_some() && server.answers().await {
            return Ok(server);
        }
        if !ports::is_free(server.port) {
            bail!(ports::taken_message("redis", server.port));
        }
        create_folder(&server.folder, 0o700)?;
        server.write_configuration(options.durable)?;
        let binary = Program::Redis.find().context("Redis is not installed")?;
        let status = Command::new(binary)
            .arg(server.folder.join("redis.conf"))
            .process_group(0)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .await
            .context("cannot start redis-server")?;
        if !status.success() {
            bail!(
                "Redis did not start; its log is {}",
                server.folder.join("log").display()
            );
        }
        server.wait_ready().await?;
        Ok(server)
    }

    /// The address of database 0.
    pub fn url(&self) -> String {
        let password = self
            .password
            .as_ref()
            .map(|password| format!(":{password}@"))
            .unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}/0", self.port)
    }

    /// Stops the server; what it keeps is written first.
    pub async fn stop(self) {
        stop_in(&self.folder).await;
    }

    fn write_configuration(&self, durable: bool) -> Result<()> {
        use std::io::Write;
        let folder = self.folder.display();
        let mut text = format!(
            "bind 127.0.0.1\nport {}\ndir \"{folder}\"\ndaemonize yes\n\
             pidfile \"{folder}/pid\"\nlogfile \"{folder}/log\"\nsave \"\"\n\
             maxmemory-policy noeviction\n",
            self.port
        );
        text.push_str(if durable {
            "appendonly yes\nappendfsync everysec\n"
        } else {
            "appendonly no\n"
        });
        if let Some(password) = &self.password {
            text.push_str(&format!("requirepass {password}\n"));
        }
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.folder.join("redis.conf"))?
            .write_all(text.as_bytes())?;
        Ok(())
    }

    async fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.answers().await {
            if Instant::now() >= deadline {
                bail!(
                    "Redis does not answer on port {}; its log is {}",
                    self.port,
                    self.folder.join("log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// Whether it answers PING after AUTH.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            if let Some(password) = &self.password {
                socket
                    .write_all(format!("AUTH {password}\r\n").as_bytes())
                    .await
                    .ok()?;
            }
            socket.write_all(b"PING\r\nQUIT\r\n").await.ok()?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.ok()?;
            Some(answer.contains("+PONG"))
        };
        tokio::time::timeout(Duration::from_secs(2), ask)
            .await
            .ok()
            .flatten()
            .unwrap_or(false)
    }
}

/// Stops the server of a `redis` folder, when one runs there.
pub async fn stop_in(folder: &Path) {
    if let Some(process) = running(folder) {
        process.signal(nix::sys::signal::Signal::SIGTERM);
        process.wait_gone(Duration::from_secs(10)).await;
    }
}

/// The server of a `redis` folder, when it runs.
pub fn running(folder: &Path) -> Option<ProcessId> {
    let pid = std::fs::read_to_string(folder.join("pid")).ok()?;
    let process = ProcessId::of(pid.trim().parse().ok()?)?;
    process::name_of(process.pid)
        .is_some_and(|name| name.starts_with("redis"))
        .then_some(process)
}
