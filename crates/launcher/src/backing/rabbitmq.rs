//! A private RabbitMQ node with its own cookie, port mapper and folders, so that it never touches
//! a node of the machine.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{BackingOptions, BackingPorts};
use crate::install::{Program, on_path};
use crate::layout::create_folder;
use crate::ports;
use crate::process::{self, ProcessId};

/// Feature flags our queues need; new nodes have them, nodes upgraded from old data may not.
const NEEDED_FLAGS: [&str; 2] = ["quorum_queue", "stream_queue"];

/// A running private node.
pub struct RabbitMq {
    pub ports: BackingPorts,
    folder: PathBuf,
    password: Option<String>,
}

impl RabbitMq {
    /// Starts the node, or uses the one that still runs in this folder.
    pub async fn start(options: &BackingOptions) -> Result<Self> {
        let node = Self {
            ports: options.ports,
            folder: options.folder.join("rmq"),
            password: options.passwords.as_ref().map(|it| it.amqp.clone()),
        };
        node.launch().await?;
        Ok(node)
    }

    /// A handle on the node of an `rmq` folder that was started without passwords.
    pub fn attach(folder: PathBuf, ports: BackingPorts) -> Self {
        Self {
            ports,
            folder,
            password: None,
        }
    }

    /// Starts the node again after [`RabbitMq::halt`], with the same data.
    pub async fn launch(&self) -> Result<()> {
        if running(&self.folder).is_some() && self.answers().await {
            return Ok(());
        }
        for (name, port) in [
            ("amqp", self.ports.amqp),
            ("rabbitmq-distribution", self.ports.distribution),
        ] {
            if !ports::is_free(port) {
                bail!(ports::taken_message(name, port));
            }
        }
        for part in ["", "home", "mnesia", "log", "gen", "schema"] {
            create_folder(&self.folder.join(part), 0o700)?;
        }
        self.write_configuration()?;
        let binary = Program::RabbitMq
            .find()
            .context("RabbitMQ is not installed")?
            .join("rabbitmq-server");
        let _ = std::fs::remove_file(self.folder.join("pid"));
        let output = std::fs::File::create(self.folder.join("out"))?;
        let mut command = Command::new(binary);
        self.environment(&mut command);
        let mut child = command
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start rabbitmq-server")?;
        // An interrupted start is ended by this: the node writes its own pid file only later.
        if let Some(leader) = child.id().and_then(ProcessId::of) {
            std::fs::write(self.folder.join("leader"), serde_json::to_vec(&leader)?)?;
        }
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.answers().await {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "RabbitMQ ended at its start ({status}): {}",
                    self.last_words()
                );
            }
            if Instant::now() >= deadline {
                bail!(
                    "RabbitMQ does not answer on port {} after 90 s: {}",
                    self.ports.amqp,
                    self.last_words()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Collects the child when it ends, so that it does not stay as a zombie.
        tokio::spawn(async move { child.wait().await });
        self.enable_missing_flags().await
    }

    /// The address of the virtual host `/`.
    pub fn url(&self) -> String {
        let (user, password) = self.account();
        format!("amqp://{user}:{password}@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// Stops the node and its port mapper.
    pub async fn stop(self) {
        self.halt().await;
    }

    /// Stops the node but keeps this handle, so that it can be started again.
    pub async fn halt(&self) {
        stop_in(&self.folder, self.ports.epmd).await;
    }

    fn account(&self) -> (&str, &str) {
        match &self.password {
            Some(password) => ("tabib", password),
            None => ("guest", "guest"),
        }
    }

    fn environment(&self, command: &mut Command) {
        environment(command, &self.folder, &self.ports);
    }

    fn write_configuration(&self) -> Result<()> {
        let (user, password) = self.account();
        let text = format!(
            "listeners.tcp.default = 127.0.0.1:{}\n\
             loopback_users = none\n\
             default_user = {user}\n\
             default_pass = {password}\n\
             log.console = false\n\
             log.file.level = warning\n\
             disk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.absolute = 512MB\n",
            self.ports.amqp
        );
        write_private(&self.folder.join("rabbitmq.conf"), text.as_bytes(), 0o600)?;
        std::fs::write(self.folder.join("enabled_plugins"), "[].\n")?;
        let cookie = self.folder.join("home/.erlang.cookie");
        if !cookie.exists() {
            write_private(&cookie, crate::secrets::alphanumeric(32).as_bytes(), 0o400)?;
        }
        Ok(())
    }

    /// Whether the broker speaks AMQP: it answers the protocol header with a method frame. The
    /// listener opens at the very end of its start, so this means it is ready.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.ports.amqp))
                .await
                .ok()?;
            socket.write_all(b"AMQP\x00\x00\x09\x01").await.ok()?;
            let mut first = [0u8; 1];
            socket.read_exact(&mut first).await.ok()?;
            Some(first[0] == 1)
        };
        tokio::time::timeout(Duration::from_secs(3), ask)
            .await
            .ok()
            .flatten()
            .unwrap_or(false)
    }

    async fn enable_missing_flags(&self) -> Result<()> {
        let enabled = std::fs::read_dir(self.folder.join("mnesia"))
            .into_iter()
            .flatten()
            .flatten()
            .find(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .ends_with("-feature_flags")
            })
            .and_then(|entry| std::fs::read_to_string(entry.path()).ok());
        let Some(enabled) = enabled else {
            return Ok(());
        };
        for flag in NEEDED_FLAGS.iter().filter(|flag| !enabled.contains(**flag)) {
            let binary = Program::RabbitMq
                .find()
                .context("RabbitMQ is not installed")?
                .join("rabbitmqctl");
            let mut command = Command::new(binary);
            self.environment(&mut command);
            let output = command
                .args(["enable_feature_flag", flag])
                .current_dir(&self.folder)
                .output()
                .await?;
            if !output.status.success() {
                bail!(
                    "RabbitMQ could not enable {flag}: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("out")).unwrap_or_default();
        let last: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        last[last.len().saturating_sub(6)..].join("\n")
    }
}

/// Stops the node of an `rmq` folder and its private port mapper.
pub async fn stop_in(folder: &Path, epmd_port: u16) {
    if let Some(node) = running(folder) {
        node.signal(nix::sys::signal::Signal::SIGTERM);
        if !node.wait_gone(Duration::from_secs(30)).await {
            node.signal_group(nix::sys::signal::Signal::SIGKILL);
            node.wait_gone(Duration::from_secs(5)).await;
        }
    }
    if let Some(leader) = leader(folder).filter(|leader| leader.alive()) {
        leader.stop(Duration::from_secs(20)).await;
    }
    if let Some(epmd) = on_path("epmd") {
        let _ = Command::new(epmd)
            .args(["-port", &epmd_port.to_string(), "-kill"])
            .env("HOME", folder.join("home"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .await;
    }
}

/// The process that leads the node's process group.
fn leader(folder: &Path) -> Option<ProcessId> {
    let text = std::fs::read_to_string(folder.join("leader")).ok()?;
    serde_json::from_str(&text).ok()
}

/// The node of an `rmq` folder, when it runs: the process its own pid file names.
pub fn running(folder: &Path) -> Option<ProcessId> {
    let pid = std::fs::read_to_string(folder.join("pid")).ok()?;
    let process = ProcessId::of(pid.trim().parse().ok()?)?;
    process::name_of(process.pid)
        .is_some_and(|name| name.starts_with("beam") || name.contains("rabbitmq"))
        .then_some(process)
}

/// Everything that keeps the node apart from others of the machine. Busy waiting is off: the
/// schedulers would otherwise burn the processors the services need.
fn environment(command: &mut Command, folder: &Path, ports: &BackingPorts) {
    command
        .env("HOME", folder.join("home"))
        .env("ERL_EPMD_PORT", ports.epmd.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", "tabib@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("gen"))
        .env("RABBITMQ_SCHEMA_DIR", folder.join("schema"))
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        );
}

fn write_private(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?
        .write_all(bytes)?;
    Ok(())
}
