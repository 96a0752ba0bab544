//! `tabib run` as a person uses it: real PostgreSQL, Redis and RabbitMQ, stand-ins for the
//! services' binaries.
#![allow(clippy::unwrap_used)]

mod stand;
mod test_services;

use std::time::Duration;

use launcher::process::ProcessId;
use stand::Stand;

/// One screen, everything ready; a second run says so; a killed process is back; stop ends
/// everything and keeps the data, which the next run uses again.
#[test]
fn a_platform_runs_heals_stops_and_runs_again() {
    let stand = Stand::new("whole");
    let run = stand.start();
    let screen = run.until("Ctrl-C stops everything");
    for shown in [
        "Tabib is ready.",
        "/api/docs/",
        "/dev/inbox",
        "09120000002",
        "tabib demo",
    ] {
        assert!(screen.contains(shown), "the screen lacks {shown}: {screen}");
    }
    let second = stand.output(&["run", "--no-build", "--no-web"]);
    assert!(second.contains("already runs"), "{second}");
    assert!(second.contains("portal-worker"), "{second}");

    let before = stand.state();
    let killed = before.processes["portal"].id;
    killed.signal(nix::sys::signal::Signal::SIGKILL);
    stand.eventually("the killed process is back", || {
        let process = stand.state().processes["portal"].clone();
        process.id != killed && process.restarts == 1
    });
    assert_eq!(
        stand.state().processes["chat"].id,
        before.processes["chat"].id
    );

    let processes: Vec<ProcessId> = stand.state().processes.values().map(|it| it.id).collect();
    let secrets = std::fs::read_to_string(stand.data().join("secrets.toml")).unwrap();
    let stopped = stand.output(&["stop"]);
    assert!(stopped.contains("everything has ended"), "{stopped}");
    assert!(run.wait(), "the launcher ended badly: {}", run.text());
    assert!(
        processes.iter().all(|process| !process.alive()),
        "a process is left"
    );
    assert!(!stand.anything_listens(), "a server is left");
    assert!(stand.output(&["status"]).contains("does not run"));

    let again = stand.start();
    again.until("Ctrl-C stops everything");
    assert_eq!(
        std::fs::read_to_string(stand.data().join("secrets.toml")).unwrap(),
        secrets
    );
    // Ctrl-C this time.
    again.signal(nix::sys::signal::Signal::SIGINT);
    assert!(again.wait(), "the launcher ended badly: {}", again.text());
    assert!(!stand.anything_listens(), "a server is left after Ctrl-C");
}

/// A launcher that was killed leaves processes; the next run ends exactly those and goes on.
#[test]
fn what_a_killed_launcher_left_is_ended_by_the_next_run() {
    let stand = Stand::new("killed");
    let run = stand.start();
    run.until("Ctrl-C stops everything");
    let left: Vec<ProcessId> = stand.state().processes.values().map(|it| it.id).collect();
    run.signal(nix::sys::signal::Signal::SIGKILL);
    run.wait();
    assert!(
        stand
            .output(&["status"])
            .contains("ended without stopping everything")
    );
    assert!(left.iter().all(|process| process.alive()));

    let again = stand.start();
    let screen = again.until("Ctrl-C stops everything");
    assert!(screen.contains("ended 16 processes"), "{screen}");
    assert!(left.iter().all(|process| !process.alive()));
    again.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(again.wait());
    assert!(!stand.anything_listens());
}

/// A taken port is named with its process before anything is started.
#[test]
fn a_taken_port_is_named_and_nothing_starts() {
    let stand = Stand::new("taken");
    let taken = std::net::TcpListener::bind(("127.0.0.1", stand.port("portal"))).unwrap();
    let run = stand.start();
    assert!(!run.wait());
    let text = run.text();
    let me = std::process::id();
    assert!(
        text.contains(&format!(
            "port {} (portal) is taken by",
            stand.port("portal")
        )),
        "{text}"
    );
    assert!(text.contains(&format!("process {me}")), "{text}");
    assert!(text.contains("TABIB_PORT_PORTAL"), "{text}");
    drop(taken);
    assert!(!stand.anything_listens());
}

/// A start that is interrupted leaves nothing behind, whatever it was doing.
#[test]
fn an_interrupted_start_leaves_nothing() {
    let stand = Stand::new("interrupted");
    let run = stand.start();
    run.until("toolchain");
    std::thread::sleep(Duration::from_millis(1500));
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.wait();
    assert!(!stand.anything_listens(), "{}", run.text());
    assert!(!stand.anything_runs_in_data(), "{}", run.text());
}
