//! The platform of the end-to-end tests: one for all of them, started by the first that needs it,
//! with a RabbitMQ node of its own (tests stop and start it), gone when no test uses it any more.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::backing::rabbitmq::RabbitMq;
use crate::backing::{Backing, BackingOptions, BackingPorts, External};
use crate::layout::{Layout, create_folder};
use crate::platform::{Options, Platform};
use crate::process::ProcessId;
use crate::services::PortPlan;
use crate::state::RunState;
use crate::ui::Step;
use crate::{compile, database};

/// Stories are told several times in a row, each with a login of the same secretary.
const COOLDOWN_SECONDS: u32 = 2;
/// How long the platform stays when no test uses it.
const IDLE: Duration = Duration::from_secs(20);
/// How long its start may take: databases, migrations, sixteen processes.
const START_LIMIT: Duration = Duration::from_secs(240);

/// What the tests must know about the running platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    pub server: ProcessId,
    pub ports: PortPlan,
    pub data: PathBuf,
    pub broker: Broker,
    /// The administrator's database address.
    pub database: String,
    /// Prefix of the databases: `<namespace>_auth_otp`.
    pub namespace: String,
}

impl Running {
    /// The gateway as browsers name it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.ports.gateway)
    }
}

/// The private RabbitMQ node, as a test needs it to stop and start it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Broker {
    pub folder: PathBuf,
    pub ports: BackingPorts,
}

impl Broker {
    /// Stops the node; its data stays.
    pub async fn halt(&self) {
        RabbitMq::attach(self.folder.clone(), self.ports)
            .halt()
            .await;
    }

    /// Starts it again with the same data.
    pub async fn launch(&self) -> Result<()> {
        RabbitMq::attach(self.folder.clone(), self.ports)
            .launch()
            .await
    }
}

/// A test's share in the platform; the platform lives at least as long.
pub struct Share {
    pub running: Running,
    _in_use: File,
}

impl Share {
    /// What runs now, with the process ids of this moment.
    pub fn state(&self) -> Result<RunState> {
        RunState::read(&self.running.data).context("the platform of the tests is gone")
    }
}

/// Uses the platform of `folder`, starting it when it does not run.
pub async fn share(layout: &Layout, folder: &Path) -> Result<Share> {
    create_folder(folder, 0o711)?;
    let in_use = lock_file(folder, "in-use.lock")?;
    in_use.lock_shared()?;
    let starting = lock_file(folder, "starting.lock")?;
    tokio::task::block_in_place(|| starting.lock())?;
    let running = match read(folder).filter(|running| running.server.alive()) {
        Some(running) => running,
        None => start(layout, folder).await?,
    };
    drop(starting);
    Ok(Share {
        running,
        _in_use: in_use,
    })
}

/// Stops the platform of `folder` when it runs.
pub async fn stop(folder: &Path) {
    if let Some(running) = read(folder).filter(|running| running.server.alive()) {
        running.server.signal(Signal::SIGTERM);
        running.server.wait_gone(Duration::from_secs(60)).await;
    }
}

async fn start(layout: &Layout, folder: &Path) -> Result<Running> {
    let log = folder.join("platform.log");
    let output = File::create(&log)?;
    let mut child = tokio::process::Command::new(layout.binary("tabib"))
        .arg("test-platform")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("cannot start `tabib test-platform`; is the workspace built?")?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(running) = read(folder).filter(|running| running.server.alive()) {
            return Ok(running);
        }
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() >= deadline {
            bail!(
                "the platform of the tests did not start:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Runs the platform until nobody uses it or a signal comes (`tabib test-platform`).
pub async fn serve(layout: &Layout, folder: &Path) -> Result<()> {
    compile::check_toolchain(layout).await?;
    let layout = layout.with_data(folder.join("data"));
    let _ = std::fs::remove_dir_all(&layout.data);
    layout.create_data()?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let backing = start_backing(folder).await?;
    let namespace = format!("flow_{}", crate::secrets::alphanumeric(6).to_lowercase());
    let ports = PortPlan::free()?;
    let platform = Platform::start(&Options {
        layout: layout.clone(),
        ports: ports.clone(),
        backing: backing.urls.clone(),
        namespace: namespace.clone(),
        environment: "development".to_owned(),
        epmd_port: None,
        overrides: BTreeMap::from([(
            "AUTH_OTP__CODES__PROFILES__LOGIN_S4__COOLDOWN_SECONDS".to_owned(),
            COOLDOWN_SECONDS.to_string(),
        )]),
        visible: true,
    })
    .await;
    let platform = match platform {
        Ok(platform) => platform,
        Err(error) => {
            let _ = database::drop_all(&backing.urls.database, &namespace).await;
            backing.stop().await;
            return Err(error);
        }
    };
    let node = backing
        .rabbitmq
        .as_ref()
        .context("the broker of the tests is private")?;
    write(
        folder,
        &Running {
            server: ProcessId::current(),
            ports,
            data: layout.data.clone(),
            broker: Broker {
                folder: folder.join("rmq"),
                ports: node.ports,
            },
            database: backing.urls.database.clone(),
            namespace: namespace.clone(),
        },
    )?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = until_unused(folder) => result?,
    }
    let _ = std::fs::remove_file(folder.join("platform.json"));
    platform.stop().await;
    let _ = database::drop_all(&backing.urls.database, &namespace).await;
    backing.stop().await;
    Ok(())
}

/// PostgreSQL and Redis as the tests' environment names them, RabbitMQ always private.
async fn start_backing(folder: &Path) -> Result<Backing> {
    let options = BackingOptions {
        folder: folder.to_owned(),
        ports: BackingPorts::free()?,
        external: External {
            amqp: None,
            ..External::from_environment()
        },
        durable: false,
        passwords: None,
    };
    Backing::start(options, &Step::start("backing services")).await
}

/// Waits until no test has held its share for a while, and closes the door to new ones.
async fn until_unused(folder: &Path) -> Result<()> {
    let mut unused_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let starting = lock_file(folder, "starting.lock")?;
        let in_use = lock_file(folder, "in-use.lock")?;
        if starting.try_lock().is_err() || in_use.try_lock().is_err() {
            unused_since = None;
            continue;
        }
        let since = *unused_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= IDLE {
            // A test that comes now waits for the lock and then starts a new platform.
            let _ = std::fs::remove_file(folder.join("platform.json"));
            return Ok(());
        }
    }
}

/// A lock by which tests that break things and tests that do not stay apart.
pub fn lock_file(folder: &Path, name: &str) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(name))
        .with_context(|| format!("cannot open {name} in {}", folder.display()))
}

fn read(folder: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(folder.join("platform.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(folder: &Path, running: &Running) -> Result<()> {
    let partial = folder.join("platform.json.new");
    std::fs::write(&partial, serde_json::to_vec_pretty(running)?)?;
    std::fs::rename(partial, folder.join("platform.json"))?;
    Ok(())
}
