use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use launcher::backing::postgres;
use launcher::layout::Layout;
use launcher::testing;
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(60);

/// The command would run for an hour; PostgreSQL is killed under it.
#[test]
fn a_test_server_that_ends_ends_the_tests_and_says_why() {
    let child = Command::new(env!("CARGO_BIN_EXE_tabib"))
        .args(["test-services", "run", "--", "sleep", "3600"])
        .env_remove("DATABASE_URL")
        // Not used by `sleep`: named, so that they are not started.
        .env("REDIS_URL", "redis://127.0.0.1:1/0")
        .env("AMQP_URL", "amqp://127.0.0.1:1/%2f")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let layout = Layout::discover().unwrap();
    let folder = testing::folder(&layout, &format!("run-{}", child.id())).unwrap();
    let started = Instant::now();
    let server = loop {
        let ready = std::fs::read_to_string(folder.join("pg/log"))
            .is_ok_and(|log| log.contains("ready to accept connections"));
        if let Some((server, _)) = postgres::running(&folder.join("pg")).filter(|_| ready) {
            break server;
        }
        assert!(started.elapsed() < PATIENCE, "PostgreSQL does not start");
        std::thread::sleep(Duration::from_millis(100));
    };
    // The launcher looks from the moment in which its command runs.
    std::thread::sleep(Duration::from_secs(1));
    let killed = Instant::now();
    server.signal(Signal::SIGKILL);
    let output = child.wait_with_output().unwrap();
    assert!(killed.elapsed() < PATIENCE, "the command went on");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("PostgreSQL ended while the tests ran"),
        "{said}"
    );
    assert!(said.contains("ready to accept connections"), "{said}");
    assert!(said.contains("Free disk: "), "{said}");
    assert!(!folder.exists(), "the server's folder is left");
}
