//! A launcher with its own data folder, its own ports and stand-ins for the services.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use launcher::process::ProcessId;
use launcher::services::SERVICES;
use launcher::state::RunState;
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(90);

/// Everything of one test below one folder that PostgreSQL's user can reach.
pub(crate) struct Stand {
    folder: PathBuf,
    ports: BTreeMap<String, u16>,
}

/// A launcher that was started.
pub(crate) struct Run {
    child: RefCell<Child>,
    output: PathBuf,
}

impl Stand {
    pub(crate) fn new(name: &str) -> Self {
        let folder =
            PathBuf::from("/var/tmp").join(format!("tabib-launcher-{name}-{}", std::process::id()));
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_tabib"), bin.join("tabib")).unwrap();
        let fake = include_str!("fake-service.pl");
        let others = ["gateway", "simulators"];
        for name in SERVICES.iter().map(|it| it.name).chain(others) {
            let path = bin.join(format!("tabib-{name}"));
            std::fs::write(&path, fake).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut names: Vec<String> = others.iter().map(|it| (*it).to_owned()).collect();
        for service in SERVICES {
            names.push(service.name.to_owned());
            names.push(format!("{}-worker", service.name));
        }
        for server in [
            "postgres",
            "redis",
            "amqp",
            "rabbitmq-distribution",
            "rabbitmq-epmd",
        ] {
            names.push(server.to_owned());
        }
        let free = launcher::ports::several_free(names.len()).unwrap();
        Self {
            folder,
            ports: names.into_iter().zip(free).collect(),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    pub(crate) fn state(&self) -> RunState {
        RunState::read(&self.data()).unwrap()
    }

    /// `tabib run`, its output in a file.
    pub(crate) fn start(&self) -> Run {
        let output = self.folder.join(format!("output-{}", uuid::Uuid::now_v7()));
        let file = File::create(&output).unwrap();
        let child = self
            .command(&["run", "--no-build", "--no-web"])
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Run {
            child: RefCell::new(child),
            output,
        }
    }

    /// Runs another command to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("bin/tabib"));
        command
            .args(arguments)
            .env("TABIB_DATA_DIR", self.data())
            .env(
                "TABIB_HOME",
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
            )
            .stdin(Stdio::null());
        for name in ["DATABASE_URL", "REDIS_URL", "AMQP_URL"] {
            command.env_remove(name);
        }
        for (name, port) in &self.ports {
            command.env(launcher::ports::variable(name), port.to_string());
        }
        command
    }

    pub(crate) fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "has not happened: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether any of our ports is taken.
    pub(crate) fn anything_listens(&self) -> bool {
        self.ports
            .values()
            .any(|port| !launcher::ports::is_free(*port))
    }

    /// Whether a process has our folder in its command line.
    pub(crate) fn anything_runs_in_data(&self) -> bool {
        let data = self.data().display().to_string();
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&data))
        })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // A failed test must not leave a platform behind.
        let _ = self.command(&["stop"]).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Run {
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// Waits until the output holds this text, and answers all of it.
    pub(crate) fn until(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if text.contains(wanted) {
                return text;
            }
            let ended = self.child.borrow_mut().try_wait().unwrap().is_some();
            assert!(
                !ended && Instant::now() < deadline,
                "no `{wanted}` in: {text}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        ProcessId::of(self.child.borrow().id())
            .unwrap()
            .signal(signal);
    }

    /// Waits for its end; true when it ended well.
    pub(crate) fn wait(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.borrow_mut().try_wait().unwrap() {
                return status.success();
            }
            assert!(
                Instant::now() < deadline,
                "the launcher does not end: {}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
