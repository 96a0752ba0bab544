//! `deploy/postgres/init.sh` on a real PostgreSQL: the owners it makes can run every migration, extension and all, and the
//! roles that the services work as cannot.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use launcher::layout::Layout;
use launcher::testing;
use launcher::ui::Step;
use support::{made_env, root};

/// Every service, as its folder of migrations is called.
const SERVICES: [&str; 7] = [
    "auth-otp",
    "patient-access",
    "payments",
    "portal",
    "content",
    "integrations",
    "chat",
];

fn psql(port: u16, role: &str, password: &str, arguments: &[&str]) -> Output {
    let database = role.trim_end_matches("_owner");
    Command::new("psql")
        .env("PGPASSWORD", password)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--username", role, "--dbname", database])
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
        .args(arguments)
        .output()
        .unwrap()
}

/// The migrations of a service in their order.
fn migrations(service: &str) -> Vec<PathBuf> {
    let folder = root().join("migrations").join(service);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("up.sql"))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found
}

fn make_and_migrate(port: u16) {
    let secrets = made_env();
    let made = Command::new("bash")
        .arg(root().join("deploy/postgres/init.sh"))
        .envs(&secrets)
        .env("POSTGRES_USER", "postgres")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    for service in SERVICES {
        let name = service.replace('-', "_");
        let upper = name.to_uppercase();
        let role = format!("tabib_{name}");
        let owner = format!("{role}_owner");
        let all = migrations(service);
        assert!(!all.is_empty());
        for migration in all {
            let file = migration.display().to_string();
            let done = psql(
                port,
                &owner,
                &secrets[&format!("{upper}_OWNER_PASSWORD")],
                &["--single-transaction", "--file", &file],
            );
            assert!(
                done.status.success(),
                "{file}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        let password = &secrets[&format!("{upper}_DB_PASSWORD")];
        let told = psql(port, &role, password, &["--command", "SELECT 1"]);
        assert!(told.status.success(), "{role} cannot connect");
        let made = psql(
            port,
            &role,
            password,
            &["--command", "CREATE TABLE x (id int)"],
        );
        assert!(!made.status.success(), "{role} makes tables");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_script_makes_what_every_service_migrates() {
    let layout = Layout::discover().unwrap();
    let folder =
        testing::folder(&layout, &format!("deploy-database-{}", std::process::id())).unwrap();
    let server = testing::postgres_alone(&folder, &Step::quiet("PostgreSQL"))
        .await
        .unwrap();
    let port = server.port;
    let done = tokio::task::spawn_blocking(move || make_and_migrate(port)).await;
    server.stop().await;
    let _ = std::fs::remove_dir_all(&folder);
    done.unwrap();
}
