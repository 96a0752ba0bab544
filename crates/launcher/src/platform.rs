//! The whole platform as one thing: databases, migrations, every process, demo data, readiness.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;

use crate::backing::BackingUrls;
use crate::database::{self, ServiceDatabase};
use crate::environment::{Plan, WITHHELD};
use crate::layout::Layout;
use crate::process::ProcessId;
use crate::secrets::Secrets;
use crate::services::{PortPlan, SERVICES};
use crate::state::RunState;
use crate::supervisor::{ProcessSpec, Supervisor, command};
use crate::ui::Step;

/// How long the slowest process may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// What to start.
pub struct Options {
    /// Checkout, binaries and data folder.
    pub layout: Layout,
    pub ports: PortPlan,
    pub backing: BackingUrls,
    /// Prefix of databases, roles, queues and keys: `tabib` for `tabib run`.
    pub namespace: String,
    /// `development` or `test`.
    pub environment: String,
    /// Needed to stop the private RabbitMQ node from another terminal.
    pub epmd_port: Option<u16>,
    /// Further variables of every process, such as `AUTH_OTP__CODES__…`; they win over ours.
    pub overrides: BTreeMap<String, String>,
    /// Show the steps.
    pub visible: bool,
}

/// A running platform.
pub struct Platform {
    pub ports: PortPlan,
    supervisor: Supervisor,
}

impl Platform {
    /// Provisions, migrates, starts, seeds and waits until everything is ready.
    pub async fn start(options: &Options) -> Result<Self> {
        check_binaries(&options.layout)?;
        let mut secrets = Secrets::open(&options.layout.data.join("secrets.toml"))?;

        let step = options.step("databases");
        let databases = note_failure(
            database::provision(&options.backing.database, &options.namespace, &mut secrets).await,
            step,
            format!("{} databases, two roles each", SERVICES.len()),
        )?;

        let specs = options.specs(&databases, &mut secrets)?;
        let step = options.step("migrations");
        let migrated = run_each(&specs, &SERVICES.map(|it| it.name), &["migrate"], &step).await;
        note_failure(migrated, step, "every schema is current".to_owned())?;

        let state = RunState {
            launcher: ProcessId::current(),
            started_at: Utc::now(),
            ports: options.ports.clone(),
            ready: false,
            processes: BTreeMap::new(),
            epmd_port: options.epmd_port,
        };
        let mut supervisor = Supervisor::new(options.layout.data.clone(), state)?;
        let step = options.step("processes");
        let count = specs.len();
        let started = start_all(&mut supervisor, &specs, &step).await;
        if let Err(error) = started {
            step.failed();
            supervisor.stop().await;
            return Err(error);
        }
        step.done(format!("{count} processes are ready"));

        let step = options.step("demo data");
        if let Err(error) = run_each(&specs, &SEEDED, &["seed", "demo"], &step).await {
            step.failed();
            supervisor.stop().await;
            return Err(error);
        }
        step.done("organisation, people, webhook endpoint");
        supervisor.mark_ready()?;
        Ok(Self {
            ports: options.ports.clone(),
            supervisor,
        })
    }

    /// What runs now.
    pub fn state(&self) -> RunState {
        self.supervisor.state()
    }

    /// The address of the gateway.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.ports.gateway)
    }

    /// Stops every process this platform started.
    pub async fn stop(self) {
        self.supervisor.stop().await;
    }
}

impl Options {
    fn step(&self, name: &str) -> Step {
        if self.visible {
            Step::start(name)
        } else {
            Step::quiet(name)
        }
    }

    /// Loads the demo data into a running platform.
    pub async fn seed(&self) -> Result<()> {
        let mut secrets = Secrets::open(&self.layout.data.join("secrets.toml"))?;
        let databases =
            database::provision(&self.backing.database, &self.namespace, &mut secrets).await?;
        let specs = self.specs(&databases, &mut secrets)?;
        let step = self.step("demo data");
        let seeded = run_each(&specs, &SEEDED, &["seed", "demo"], &step).await;
        note_failure(
            seeded,
            step,
            "organisation, people, webhook endpoint".to_owned(),
        )
    }

    /// Every process, in the order of their start.
    pub fn specs(
        &self,
        databases: &[(&'static str, ServiceDatabase)],
        secrets: &mut Secrets,
    ) -> Result<Vec<ProcessSpec>> {
        let plan = Plan {
            layout: &self.layout,
            ports: &self.ports,
            backing: &self.backing,
            databases,
            namespace: &self.namespace,
            environment: &self.environment,
        };
        let mut specs = vec![self.spec(
            "simulators",
            "tabib-simulators",
            "serve",
            plan.simulators(secrets)?,
            self.ports.simulators,
        )];
        for service in SERVICES {
            let environment = plan.service(service.name, secrets)?;
            specs.push(self.spec(
                service.name,
                &service.binary(),
                "serve",
                environment.clone(),
                self.ports.of(service.name),
            ));
            specs.push(self.spec(
                &format!("{}-worker", service.name),
                &service.binary(),
                "worker",
                environment,
                self.ports.worker_of(service.name),
            ));
        }
        specs.push(self.spec(
            "gateway",
            "tabib-gateway",
            "serve",
            plan.gateway(secrets)?,
            self.ports.gateway,
        ));
        Ok(specs)
    }

    fn spec(
        &self,
        name: &str,
        binary: &str,
        command: &str,
        mut environment: BTreeMap<String, String>,
        port: u16,
    ) -> ProcessSpec {
        environment.extend(self.overrides.clone());
        ProcessSpec {
            name: name.to_owned(),
            program: self.layout.binary(binary),
            arguments: vec![command.to_owned()],
            environment,
            withheld: WITHHELD.map(str::to_owned).to_vec(),
            log: self.layout.log(name),
            port,
        }
    }
}

async fn start_all(supervisor: &mut Supervisor, specs: &[ProcessSpec], step: &Step) -> Result<()> {
    for spec in specs {
        step.note(&format!("starting {}", spec.name));
        supervisor.start(spec.clone())?;
    }
    supervisor
        .wait_ready(READY_LIMIT, |text| step.note(text))
        .await
}

/// The services that have demo data of their own; the others learn of it by events.
const SEEDED: [&str; 5] = ["auth-otp", "integrations", "portal", "payments", "content"];

/// Runs one command of these services' binaries, one after another.
async fn run_each(
    specs: &[ProcessSpec],
    names: &[&str],
    arguments: &[&str],
    step: &Step,
) -> Result<()> {
    for spec in specs
        .iter()
        .filter(|spec| names.contains(&spec.name.as_str()))
    {
        step.note(&spec.name);
        let one_off = ProcessSpec {
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            ..spec.clone()
        };
        let output = command(&one_off)
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot start {}", spec.program.display()))?;
        if !output.status.success() {
            bail!(
                "`{} {}` failed ({}):\n{}{}",
                spec.name,
                arguments.join(" "),
                output.status,
                tail(&output.stdout),
                tail(&output.stderr)
            );
        }
    }
    Ok(())
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let mut text = lines[lines.len().saturating_sub(15)..].join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn note_failure<T>(result: Result<T>, step: Step, done: String) -> Result<T> {
    match result {
        Ok(value) => {
            step.done(done);
            Ok(value)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Every binary must have been built.
fn check_binaries(layout: &Layout) -> Result<()> {
    let missing: Vec<String> = SERVICES
        .iter()
        .map(|service| service.binary())
        .chain(["tabib-gateway".to_owned(), "tabib-simulators".to_owned()])
        .filter(|name| !layout.binary(name).is_file())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "not built yet: {}. Run `make run`, or `cargo build --workspace --bins`",
        missing.join(", ")
    )
}
