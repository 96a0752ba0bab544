//! Ports: their defaults, how to change them, and who holds one that is taken.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use rand::RngExt;

use crate::process;

/// The port of `name`: the environment variable `TABIB_PORT_<NAME>` when set, else the default.
pub fn configured(name: &str, default: u16) -> Result<u16> {
    let variable = variable(name);
    match std::env::var(&variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable}={text} is not a port number (1 to 65535)")),
        Err(_) => Ok(default),
    }
}

/// The environment variable that changes the port of `name`.
pub fn variable(name: &str) -> String {
    format!("TABIB_PORT_{}", name.to_uppercase().replace('-', "_"))
}

/// Where free ports are looked for: below the range from which the kernel takes the local ports
/// of outgoing connections, so that none is lost between choosing and using it.
const FREE_RANGE: std::ops::Range<u16> = 18_000..32_000;

/// A port nobody listens on.
pub fn free() -> Result<u16> {
    several_free(1)?.pop().context("no free port was found")
}

/// Several different free ports.
pub fn several_free(count: usize) -> Result<Vec<u16>> {
    let mut found = Vec::new();
    for _ in 0..count * 100 {
        if found.len() == count {
            break;
        }
        let port = rand::rng().random_range(FREE_RANGE);
        if !found.contains(&port) && is_free(port) {
            found.push(port);
        }
    }
    anyhow::ensure!(
        found.len() == count,
        "fewer than {count} ports of {FREE_RANGE:?} are free"
    );
    Ok(found)
}

/// Whether a server could listen on 127.0.0.1:`port` now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Says who holds a port and how to choose another one: `port 8080 (gateway) is taken by nginx,
/// process 812; stop it or set TABIB_PORT_GATEWAY`.
pub fn taken_message(name: &str, port: u16) -> String {
    let holder = holder(port).map_or_else(
        || "another process (of another user, so its name is not visible)".to_owned(),
        |(pid, program)| format!("{program}, process {pid}"),
    );
    format!(
        "port {port} ({name}) is taken by {holder}; stop it or choose another port with {}",
        variable(name)
    )
}

/// The process that listens on a TCP port of this machine, when we may see it.
pub fn holder(port: u16) -> Option<(i32, String)> {
    let inodes = listening_inodes(port);
    if inodes.is_empty() {
        return None;
    }
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(handles) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = handles.flatten().any(|handle| {
            std::fs::read_link(handle.path())
                .ok()
                .and_then(|target| target.to_str().map(str::to_owned))
                .is_some_and(|target| inodes.contains(&target))
        });
        if holds {
            return Some((pid, process::name_of(pid).unwrap_or_default()));
        }
    }
    None
}

/// The `socket:[inode]` names of the sockets that listen on `port`, over IPv4 and IPv6.
fn listening_inodes(port: u16) -> Vec<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(|line| listening_inode(line, port))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn listening_inode(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    // State 0A is LISTEN.
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local, 16).ok()? == port;
    listens.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_process() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let (pid, _) = holder(port).unwrap();
        assert_eq!(u32::try_from(pid).unwrap(), std::process::id());
        let message = taken_message("auth-otp", port);
        assert!(message.contains(&format!("process {pid}")), "{message}");
        assert!(message.contains("TABIB_PORT_AUTH_OTP"), "{message}");
        drop(listener);
        assert!(is_free(port));
    }

    #[test]
    fn several_free_ports_differ() {
        let mut ports = several_free(8).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 8);
    }
}
