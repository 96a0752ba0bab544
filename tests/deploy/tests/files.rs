//! Every program accepts the environment that docker-compose.yml and the Kubernetes manifests give it, listens on the
//! ports that they probe, and finds each of its secrets named (decision 45).
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use serde_yaml_ng::Value;

type Environment = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The program beside the running test; `make test` builds all programs first.
fn program(image: &str) -> PathBuf {
    let name = image.replacen("tabib/", "tabib-", 1);
    let folder = std::env::current_exe().unwrap();
    let path = folder.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// What `check-config` prints under this environment and nothing else.
fn effective(image: &str, environment: &Environment) -> String {
    let output = Command::new(program(image))
        .arg("check-config")
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{image} refuses its environment: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the printed settings have this port under this key (the gateway prints JSON).
fn listens(effective: &str, key: &str, port: &str) -> bool {
    effective.contains(&format!(" {key}: {port},"))
        || effective.contains(&format!("\"{key}\": {port},"))
}

/// The secrets that `make-env` makes.
fn made_env() -> Environment {
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("deploy/compose");
    std::fs::create_dir_all(&scripts).unwrap();
    let script = scripts.join("make-env");
    std::fs::copy(root().join("deploy/compose/make-env"), &script).unwrap();
    assert!(Command::new(&script).output().unwrap().status.success());
    std::fs::read_to_string(folder.path().join(".env"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `${NAME}`, `${NAME:?…}` and `${NAME:-default}` replaced as compose does.
fn interpolate(text: &str, values: &Environment) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let end = start + rest[start..].find('}').unwrap();
        let inside = &rest[start + 2..end];
        let (name, default) = match inside.split_once(':') {
            Some((name, rule)) => (name, rule.strip_prefix('-')),
            None => (inside, None),
        };
        match (values.get(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => panic!("make-env makes no {name}"),
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => panic!("not a scalar: {other:?}"),
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Sequence(items)) => items.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn compose_gives_each_program_what_it_takes() {
    let mut file: Value = serde_yaml_ng::from_str(&read("docker-compose.yml")).unwrap();
    file.apply_merge().unwrap();
    let made = made_env();
    let mut seen = BTreeSet::new();
    for (name, service) in file["services"].as_mapping().unwrap() {
        let name = text(name);
        let Some(image) = service.get("image").map(text) else {
            continue;
        };
        if !image.starts_with("tabib/") {
            continue;
        }
        let environment: Environment = service["environment"]
            .as_mapping()
            .unwrap()
            .iter()
            .map(|(key, value)| (text(key), interpolate(&text(value), &made)))
            .collect();
        let effective = effective(&image, &environment);
        let command = strings(service.get("command"));
        assert!(
            command.is_empty()
                || ["serve", "worker", "migrate", "seed"].contains(&command[0].as_str()),
            "{name}: {command:?}"
        );
        if let Some(probe) = service.get("healthcheck") {
            let probe = strings(probe.get("test")).pop().unwrap();
            let port: u16 = probe
                .split(':')
                .nth(2)
                .unwrap()
                .split('/')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let key = if command[0] == "worker" {
                "worker_port"
            } else {
                "port"
            };
            assert!(
                listens(&effective, key, &port.to_string()),
                "{name} is probed on {port}"
            );
        }
        // What others call it by is where it listens.
        if let Some(port) = environment.get(&format!("GATEWAY__PEERS__{}", name.to_uppercase())) {
            assert!(effective.contains(port.rsplit(':').next().unwrap()));
        }
        seen.insert(format!(
            "{image} {}",
            command.first().map_or("", String::as_str)
        ));
    }
    for service in [
        "auth-otp",
        "patient-access",
        "payments",
        "portal",
        "content",
        "integrations",
        "chat",
    ] {
        for command in ["serve", "worker", "migrate"] {
            assert!(
                seen.contains(&format!("tabib/{service} {command}")),
                "no {service} {command}"
            );
        }
    }
    assert!(seen.contains("tabib/gateway serve"));
}

/// A value of the right form for a secret of this key.
fn sample_secret(key: &str) -> String {
    match key {
        "sealing-key-k1" => "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".to_owned(),
        "database-url" | "migration-url" => "postgres://role:password@postgres/db".to_owned(),
        _ => "0123456789abcdef0123456789abcdef".to_owned(),
    }
}

#[test]
fn kubernetes_gives_each_program_what_it_takes() {
    let readme = read("deploy/kubernetes/README.md");
    let config: Value = serde_yaml_ng::from_str(&read("deploy/kubernetes/config.yaml")).unwrap();
    let mut shared: Environment = config["data"]
        .as_mapping()
        .unwrap()
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect();
    shared.insert("REDIS_URL".into(), "redis://:password@redis:6379/0".into());
    shared.insert(
        "AMQP_URL".into(),
        "amqp://user:password@rabbitmq:5672/%2f".into(),
    );
    let kustomization: Value =
        serde_yaml_ng::from_str(&read("deploy/kubernetes/kustomization.yaml")).unwrap();
    let mut checked = 0;
    for resource in strings(kustomization.get("resources")) {
        let file = read(&format!("deploy/kubernetes/{resource}"));
        for document in serde_yaml_ng::Deserializer::from_str(&file) {
            let document = Value::deserialize(document).unwrap();
            let Some(container) = document
                .get("spec")
                .and_then(|spec| spec.get("template"))
                .map(|template| &template["spec"]["containers"][0])
            else {
                continue;
            };
            let mut environment = shared.clone();
            for variable in container["env"].as_sequence().unwrap() {
                let value = match variable.get("value") {
                    Some(value) => text(value),
                    None => {
                        let reference = &variable["valueFrom"]["secretKeyRef"];
                        let (name, key) = (text(&reference["name"]), text(&reference["key"]));
                        let line = readme
                            .lines()
                            .find(|line| line.contains(&format!("`{name}`")));
                        assert!(
                            line.is_some_and(|line| line.contains(&format!("`{key}`"))),
                            "README names no key {key} of {name}"
                        );
                        sample_secret(&key)
                    }
                };
                environment.insert(text(&variable["name"]), value);
            }
            let image = text(&container["image"]);
            let effective = effective(&image, &environment);
            if text(&document["kind"]) == "Deployment" {
                let port = text(&container["ports"][0]["containerPort"]);
                let key = if strings(container.get("args")) == ["worker"] {
                    "worker_port"
                } else {
                    "port"
                };
                assert!(
                    listens(&effective, key, &port.to_string()),
                    "{image} {key} {port}"
                );
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    assert_eq!(text(&container[probe]["httpGet"]["port"]), "http");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 7 * 3 + 1);
}

#[test]
fn the_database_script_makes_what_compose_connects_to() {
    let script = read("deploy/postgres/init.sh");
    let compose = read("docker-compose.yml");
    for service in [
        "auth_otp",
        "patient_access",
        "payments",
        "portal",
        "content",
        "integrations",
        "chat",
    ] {
        assert!(script.contains(service));
        assert!(compose.contains(&format!("postgres://tabib_{service}:")));
        assert!(compose.contains(&format!("postgres://tabib_{service}_owner:")));
    }
}
