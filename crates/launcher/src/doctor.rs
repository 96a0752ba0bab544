//! `tabib doctor`: what is wrong with this machine or configuration, in words.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::backing::{BackingPorts, BackingUrls, External, postgres, rabbitmq, redis};
use crate::compile;
use crate::database::{self, ServiceDatabase};
use crate::install::{Program, on_path};
use crate::layout::Layout;
use crate::platform::Options;
use crate::ports;
use crate::run;
use crate::secrets::Secrets;
use crate::services::{PortPlan, SERVICES};
use crate::state::RunState;
use crate::supervisor::command;
use crate::ui;

/// Below this much free disk the build or the brokers fail in unclear ways.
const DISK_MIB: u64 = 6 * 1024;
/// Below this much available memory the build is killed by the kernel.
const MEMORY_MIB: u64 = 3 * 1024;

/// What one look at the machine found.
enum Finding {
    Good(String),
    /// Works, but a person should know.
    Note(String),
    Bad(String),
}

/// Prints every finding. Answers whether nothing is wrong.
pub async fn examine(layout: &Layout) -> Result<bool> {
    let mut findings = vec![toolchain(layout).await];
    findings.extend(programs());
    findings.push(node().await);
    findings.push(disk(layout));
    findings.push(memory());
    findings.push(data_folder(layout));
    findings.extend(leftovers(layout));
    findings.extend(taken_ports(layout)?);
    findings.extend(given_servers().await);
    findings.extend(configuration(layout).await);
    let mut well = true;
    for finding in findings {
        match finding {
            Finding::Good(text) => ui::line(format!("  ✓ {text}")),
            Finding::Note(text) => ui::line(format!("  • {text}")),
            Finding::Bad(text) => {
                well = false;
                ui::line(format!("  ✗ {}", text.replace('\n', "\n    ")));
            }
        }
    }
    ui::line(if well {
        "\nNothing is wrong with this machine or configuration."
    } else {
        "\nWhat is marked with ✗ keeps Tabib from running."
    });
    Ok(well)
}

async fn toolchain(layout: &Layout) -> Finding {
    match compile::check_toolchain(layout).await {
        Ok(text) if on_path("cc").is_some() => Finding::Good(text),
        Ok(_) => Finding::Bad(
            "there is no C compiler (cc); install gcc and libc6-dev: Rust links with it".to_owned(),
        ),
        Err(error) => Finding::Bad(format!("{error:#}")),
    }
}

fn programs() -> Vec<Finding> {
    let external = External::from_environment();
    let given = [
        (
            Program::PostgreSql,
            external.database.is_some(),
            "DATABASE_URL",
        ),
        (Program::Redis, external.redis.is_some(), "REDIS_URL"),
        (Program::RabbitMq, external.amqp.is_some(), "AMQP_URL"),
    ];
    let mut findings = Vec::new();
    for (program, elsewhere, variable) in given {
        let package = program.package();
        findings.push(match (elsewhere, program.find()) {
            (true, _) => Finding::Good(format!(
                "{package}: the server that {variable} names is used"
            )),
            (false, Some(path)) => Finding::Good(format!("{package}: {}", path.display())),
            (false, None) if can_install() => Finding::Note(format!(
                "{package} is missing; `make run` installs it with apt"
            )),
            (false, None) => Finding::Bad(format!(
                "{package} is missing; run `sudo apt-get install {package}` or set {variable}"
            )),
        });
    }
    findings.push(match Program::Chromium.find() {
        Some(path) => Finding::Good(format!("chromium: {}", path.display())),
        None => {
            Finding::Note("chromium is missing; only `make test` needs it (page check)".to_owned())
        }
    });
    findings
}

fn can_install() -> bool {
    on_path("apt-get").is_some() && (nix::unistd::geteuid().is_root() || on_path("sudo").is_some())
}

async fn node() -> Finding {
    let Some(path) = on_path("node") else {
        return Finding::Note(
            "node is missing; `make run` fetches one into the data folder for the pages".to_owned(),
        );
    };
    let output = tokio::process::Command::new(&path)
        .arg("--version")
        .output()
        .await;
    let version = output.map_or_else(
        |error| error.to_string(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    );
    Finding::Good(format!("node {version}"))
}

fn disk(layout: &Layout) -> Finding {
    let output = std::process::Command::new("df")
        .args(["-Pm"])
        .arg(&layout.checkout)
        .output();
    let free = output.ok().and_then(|it| {
        let text = String::from_utf8_lossy(&it.stdout).into_owned();
        text.lines()
            .nth(1)?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
    });
    match free {
        Some(free) if free >= DISK_MIB => Finding::Good(format!("disk: {} GiB free", free / 1024)),
        Some(free) => Finding::Bad(format!(
            "disk: only {free} MiB free at {}; building and running need about {} GiB",
            layout.checkout.display(),
            DISK_MIB / 1024
        )),
        None => Finding::Note("disk: free space could not be read".to_owned()),
    }
}

fn memory() -> Finding {
    let available = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("MemAvailable:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
    match available.map(|kilobytes| kilobytes / 1024) {
        Some(mib) if mib >= MEMORY_MIB => Finding::Good(format!("memory: {mib} MiB available")),
        Some(mib) => Finding::Bad(format!(
            "memory: only {mib} MiB available; building needs about {MEMORY_MIB} MiB \
             (CARGO_BUILD_JOBS=1 halves it)"
        )),
        None => Finding::Note("memory: could not be read".to_owned()),
    }
}

fn data_folder(layout: &Layout) -> Finding {
    match layout.create_data() {
        Ok(()) => Finding::Good(format!("data folder: {}", layout.data.display())),
        Err(error) => Finding::Bad(format!("{error:#}")),
    }
}

fn leftovers(layout: &Layout) -> Option<Finding> {
    let state = RunState::read(&layout.data)?;
    if state.launcher.alive() {
        return Some(Finding::Good(
            "Tabib runs; `tabib status` shows it".to_owned(),
        ));
    }
    let left = state.processes.values().filter(|it| it.id.alive()).count();
    Some(Finding::Note(format!(
        "an interrupted run left {left} processes behind; the next `make run` or `tabib stop` ends them"
    )))
}

fn taken_ports(layout: &Layout) -> Result<Vec<Finding>> {
    let state = RunState::read(&layout.data);
    if state.as_ref().is_some_and(|state| state.launcher.alive()) {
        return Ok(Vec::new());
    }
    let left_behind: Vec<u16> = state
        .iter()
        .flat_map(|state| state.processes.values())
        .filter(|process| process.id.alive())
        .map(|process| process.port)
        .collect();
    let backing = BackingPorts::configured()?;
    let mut wanted = PortPlan::configured()?.all();
    let data = &layout.data;
    for (name, port, ours) in [
        (
            "postgres",
            backing.postgres,
            postgres::running(&data.join("pg")).is_some(),
        ),
        (
            "redis",
            backing.redis,
            redis::running(&data.join("redis")).is_some(),
        ),
        (
            "amqp",
            backing.amqp,
            rabbitmq::running(&data.join("rmq")).is_some(),
        ),
    ] {
        if !ours {
            wanted.push((name.to_owned(), port));
        }
    }
    let taken: Vec<Finding> = wanted
        .iter()
        .filter(|(_, port)| !left_behind.contains(port) && !ports::is_free(*port))
        .map(|(name, port)| Finding::Bad(ports::taken_message(name, *port)))
        .collect();
    Ok(if taken.is_empty() {
        vec![Finding::Good(format!("{} ports are free", wanted.len()))]
    } else {
        taken
    })
}

/// Servers that the environment names must answer.
async fn given_servers() -> Vec<Finding> {
    let Some(url) = External::from_environment().database else {
        return Vec::new();
    };
    let shown = database::without_password(&url);
    vec![match database::connect(&url).await {
        Ok(_) => Finding::Good(format!("DATABASE_URL answers: {shown}")),
        Err(error) => Finding::Bad(format!("DATABASE_URL: {error:#}")),
    }]
}

/// Asks every binary what it thinks of the settings it would be started with.
async fn configuration(layout: &Layout) -> Vec<Finding> {
    let specs = match specs(layout) {
        Ok(specs) => specs,
        Err(error) => return vec![Finding::Bad(format!("{error:#}"))],
    };
    let mut findings = Vec::new();
    let mut good = 0;
    for mut spec in specs.into_iter().filter(|it| !it.name.ends_with("-worker")) {
        if !spec.program.is_file() {
            findings.push(Finding::Note(format!("{} is not built yet", spec.name)));
            continue;
        }
        spec.arguments = vec!["check-config".to_owned()];
        match command(&spec).output().await {
            Ok(output) if output.status.success() => good += 1,
            Ok(output) => findings.push(Finding::Bad(format!(
                "settings of {}:\n{}{}",
                spec.name,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ))),
            Err(error) => findings.push(Finding::Bad(format!("{}: {error}", spec.name))),
        }
    }
    if good > 0 {
        findings.push(Finding::Good(format!(
            "the settings of {good} processes are accepted"
        )));
    }
    findings
}

fn specs(layout: &Layout) -> Result<Vec<crate::supervisor::ProcessSpec>> {
    let options = run::backing_options(layout)?;
    let ports = options.ports;
    let options = Options {
        layout: layout.clone(),
        ports: PortPlan::configured()?,
        backing: BackingUrls {
            database: format!("postgres://postgres@127.0.0.1:{}/postgres", ports.postgres),
            redis: format!("redis://127.0.0.1:{}/0", ports.redis),
            amqp: format!("amqp://127.0.0.1:{}/%2f", ports.amqp),
        },
        namespace: "tabib".to_owned(),
        environment: "development".to_owned(),
        epmd_port: None,
        overrides: BTreeMap::new(),
        visible: false,
    };
    let databases: Vec<(&'static str, ServiceDatabase)> = SERVICES
        .iter()
        .map(|service| {
            let url = options.backing.database.clone();
            let both = ServiceDatabase {
                app: url.clone(),
                owner: url,
            };
            (service.name, both)
        })
        .collect();
    let mut secrets = Secrets::open(&layout.data.join("secrets.toml"))?;
    options.specs(&databases, &mut secrets)
}
