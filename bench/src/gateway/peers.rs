//! The programs of the run: Redis, the gateway, HAProxy, nginx.

use std::path::Path;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::keys::{ISSUER, Keys};
use super::upstream::Upstream;
use crate::process::{Process, free_port, is_installed};

/// Every check on; limits so wide that the load stays below them.
const TABLE: &str = r#"
[defaults]
callers = ["user"]
body_bytes = 262144
timeout_ms = 15000
body_timeout_ms = 15000
retry = "safe"
limits = ["caller", "organization"]
every_call = "address"
language = "en"
shape = "drf"
[limits.address]
calls = 60000000
window_seconds = 60
by = "ip"
[limits.caller]
calls = 600000
window_seconds = 60
by = "caller"
[limits.organization]
calls = 6000000
window_seconds = 60
by = "organization"
[[route]]
prefix = "/api/bench/"
service = "portal"
[[route]]
prefix = "/ws/bench/"
service = "portal"
websocket = true
"#;

/// A private Redis without persistence; `None` when it is not installed.
pub(crate) async fn redis(folder: &Path) -> Result<Option<Process>> {
    if !is_installed("redis-server") {
        return Ok(None);
    }
    let port = free_port().await?;
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
        ])
        .arg(folder);
    Process::start(command, port, &folder.join("redis.log"))
        .await
        .map(Some)
}

/// The gateway with one worker.
pub(super) async fn gateway(
    binaries: &Path,
    folder: &Path,
    upstream: &Upstream,
    redis: &str,
) -> Result<Process> {
    let program = binaries.join("tabib-gateway");
    ensure!(
        program.is_file(),
        "{} is missing: run make bench",
        program.display()
    );
    let table = folder.join("routes.toml");
    std::fs::write(&table, TABLE)?;
    let port = free_port().await?;
    let service = format!("http://{}", upstream.address);
    let mut command = Command::new(program);
    command.arg("serve").env_clear();
    for (key, value) in [
        ("SERVER__PORT", port.to_string()),
        ("SERVER__WORKERS", "1".into()),
        ("ROUTES__FILE", table.display().to_string()),
        ("PEERS__AUTH_OTP", service.clone()),
        ("PEERS__PORTAL", service.clone()),
        ("REDIS__URL", redis.to_owned()),
        ("AUTH__ISSUER", ISSUER.into()),
        ("AUTH__JWKS_URL", format!("{service}/.well-known/jwks.json")),
        (
            "AUTH__PORTAL_JWKS_URL",
            format!("{service}/.well-known/jwks.json"),
        ),
        ("AUTH__TOKEN_URL", format!("{service}/token")),
        ("AUTH__CLIENT_SECRET", "bench".into()),
        ("AUTH__CLIENT_IP_KEY", "bench".into()),
        ("TELEMETRY__OTLP_ENDPOINT", service),
        ("WEB__DIRECTORY", "/nonexistent".into()),
    ] {
        command.env(format!("GATEWAY__{key}"), value);
    }
    Process::start(command, port, &folder.join("gateway.log")).await
}

/// HAProxy with one thread that verifies signature and expiry; `None` when it is not installed.
pub(super) async fn haproxy(
    folder: &Path,
    upstream: &Upstream,
    keys: &Keys,
    algorithm: &str,
) -> Result<Option<Process>> {
    if !is_installed("haproxy") {
        return Ok(None);
    }
    let port = free_port().await?;
    let config = folder.join(format!("haproxy-{algorithm}.cfg"));
    let key = keys.public_key(algorithm).display().to_string();
    let text = format!(
        "global\n  nbthread 1\n  maxconn 5000\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  \
         timeout server 30s\n  http-reuse always\nfrontend door\n  bind 127.0.0.1:{port}\n  \
         http-request deny deny_status 401 unless {{ req.hdr(authorization) -m found }}\n  \
         http-request set-var(txn.bearer) http_auth_bearer\n  \
         http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')\n  \
         http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}\n  \
         http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')\n  \
         http-request set-var(txn.now) date()\n  \
         http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}\n  \
         http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") -m int 1 }}\n  \
         default_backend service\nbackend service\n  server one {}\n",
        upstream.address,
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&config);
    Process::start(
        command,
        port,
        &folder.join(format!("haproxy-{algorithm}.log")),
    )
    .await
    .map(Some)
}

/// nginx with one process that checks nothing and passes everything on; `None` when it is not installed. Connections are
/// kept without end on both sides: its defaults would close them every thousand requests.
pub(super) async fn nginx(folder: &Path, upstream: &Upstream) -> Result<Option<Process>> {
    if !is_installed("nginx") {
        return Ok(None);
    }
    let port = free_port().await?;
    let home = folder.join("nginx");
    std::fs::create_dir_all(&home)?;
    let config = home.join("nginx.conf");
    let shown = home.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {shown}/{name};\n"))
        .concat();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {shown}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n{temporary}  \
         upstream service {{ server {}; keepalive 128; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen 127.0.0.1:{port};\n    keepalive_requests 1000000000;\n    \
         location / {{\n      proxy_pass http://service;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n",
        upstream.address,
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(&home)
        .args(["-e", "stderr"])
        .arg("-c")
        .arg(&config);
    Process::start(command, port, &folder.join("nginx.log"))
        .await
        .map(Some)
}
