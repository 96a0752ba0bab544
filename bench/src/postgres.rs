//! A PostgreSQL of the run's own, durable as in production, and pgbench on it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::process::{Process, free_port};

/// The superuser of the run.
const USER: &str = "bench";

/// The running server.
pub(crate) struct Postgres {
    _process: Process,
    port: u16,
    programs: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// Makes a cluster in the folder and starts it on a free port of the loopback.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let programs =
            programs().context("PostgreSQL is not installed (apt install postgresql)")?;
        let data = folder.join("postgres");
        std::fs::create_dir(&data)?;
        // As root the server runs as the package's own user, who must reach its folder.
        let owner = if nix::unistd::geteuid().is_root() {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))?;
            let user = nix::unistd::User::from_name("postgres")?.context("no user postgres")?;
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            std::os::unix::fs::chown(&data, Some(uid), Some(gid))?;
            Some(user)
        } else {
            None
        };
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(&data);
            if let Some(user) = &owner {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command
        };
        let cluster = data.join("cluster");
        let made = command("initdb")
            .args([
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&cluster)
            .output()
            .await?;
        ensure!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port().await?;
        let mut serve = command("postgres");
        serve.arg("-D").arg(&cluster);
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "fsync=on".into(),
            "synchronous_commit=on".into(),
            "shared_buffers=256MB".into(),
            "max_wal_size=4GB".into(),
            "max_connections=150".into(),
        ] {
            serve.arg("-c").arg(setting);
        }
        let process = Process::start(serve, port, &folder.join("postgres.log")).await?;
        let postgres = Self {
            _process: process,
            port,
            programs,
            folder: folder.to_owned(),
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while postgres.sql("postgres", "SELECT 1").await.is_err() {
            ensure!(
                tokio::time::Instant::now() < deadline,
                "PostgreSQL does not answer"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(postgres)
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn user(&self) -> &'static str {
        USER
    }

    pub(crate) async fn create(&self, database: &str) -> Result<()> {
        self.sql("postgres", &format!("CREATE DATABASE {database}"))
            .await
            .map(drop)
    }

    /// Runs SQL and answers its output, unaligned.
    pub(crate) async fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()
            .await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The one number that SQL answers.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> Result<i64> {
        let text = self.sql(database, sql).await?;
        text.parse().with_context(|| format!("no number: {text}"))
    }

    /// Transactions per second of a script in a database under 32 clients, as many as our service has connections. `mode`
    /// is pgbench's: `prepared` needs scripts that name the types of what they are given.
    pub(crate) async fn pgbench(
        &self,
        (database, mode): (&str, &str),
        name: &str,
        script: &str,
        length: Duration,
    ) -> Result<f64> {
        let file = self.folder.join(format!("{name}.sql"));
        std::fs::write(&file, script)?;
        let output = Command::new(self.programs.join("pgbench"))
            .args(["-n", "-M", mode, "-c", "32", "-j", "1", "-T"])
            .arg(length.as_secs().to_string())
            .arg("-f")
            .arg(&file)
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                USER,
                database,
            ])
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "pgbench failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        tps(&text).context("pgbench gave no rate")
    }
}

fn tps(text: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix("tps = "))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Where the server's programs are: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<PathBuf> = std::fs::read_dir(debian)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .filter(|bin| bin.join("initdb").is_file() && bin.join("pgbench").is_file())
                .collect()
        })
        .unwrap_or_default();
    versions.sort();
    versions.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgbenchs_rate_is_read() {
        let text = "latency average = 2 ms\ntps = 6102.25 (without initial connection time)\n";
        assert_eq!(tps(text), Some(6102.25));
        assert_eq!(tps("nonsense"), None);
    }
}
