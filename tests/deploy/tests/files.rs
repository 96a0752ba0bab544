//! Every program accepts the environment that docker-compose.yml and the Kubernetes manifests give it, listens on the
//! ports that they probe, and finds each of its secrets named (decision 45).
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use serde_yaml_ng::Value;
use support::{Environment, document_kind, made_env, made_secrets, manifests, read, strings, text};

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

/// Files that a program keeps on its own disk rest where a volume is mounted, or they are gone with the container.
fn keeps_files_on_a_volume(name: &str, effective: &str, mounts: &[String]) {
    let Some((_, files)) = effective.split_once(" files: ") else {
        return;
    };
    let backend = files.split("backend: ").nth(1).unwrap();
    if backend.starts_with("S3") {
        let bucket = files.split("bucket: \"").nth(1).unwrap();
        assert!(!bucket.starts_with('"'), "{name} names no bucket");
        return;
    }
    let place = files.split("root: \"").nth(1).unwrap();
    let place = place.split('"').next().unwrap();
    assert!(
        !place.is_empty() && mounts.iter().any(|mount| place.starts_with(mount.as_str())),
        "{name} keeps files in `{place}`, which is on none of {mounts:?}"
    );
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
        let mounts: Vec<String> = strings(service.get("volumes"))
            .iter()
            .filter_map(|volume| volume.split(':').nth(1).map(str::to_owned))
            .collect();
        keeps_files_on_a_volume(&name, &effective, &mounts);
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

/// What envFrom and env of a container give its program.
fn environment_of(
    container: &Value,
    config: &Environment,
    secrets: &BTreeMap<String, Environment>,
) -> Environment {
    let mut environment = config.clone();
    for source in container["envFrom"].as_sequence().unwrap() {
        if let Some(secret) = source.get("secretRef") {
            environment.extend(secrets[&text(&secret["name"])].clone());
        }
    }
    for variable in container["env"].as_sequence().unwrap() {
        let value = match variable.get("value") {
            Some(value) => text(value),
            None => {
                let reference = &variable["valueFrom"]["secretKeyRef"];
                secrets[&text(&reference["name"])][&text(&reference["key"])].clone()
            }
        };
        environment.insert(text(&variable["name"]), value);
    }
    environment
}

#[test]
fn kubernetes_gives_each_program_what_it_takes() {
    let secrets = made_secrets();
    let config: Environment = manifests()
        .iter()
        .find(|(_, document)| document_kind(document) == "ConfigMap")
        .and_then(|(_, document)| document["data"].as_mapping())
        .unwrap()
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect();
    let mut checked = 0;
    for (_, document) in manifests() {
        let pod = &document["spec"]["template"]["spec"];
        let Some(container) = pod.get("containers").map(|containers| &containers[0]) else {
            continue;
        };
        let image = text(&container["image"]);
        let effective = effective(&image, &environment_of(container, &config, &secrets));
        let mounts = container["volumeMounts"].as_sequence();
        let mounts: Vec<String> = mounts
            .into_iter()
            .flatten()
            .map(|mount| text(&mount["mountPath"]))
            .filter(|place| place != "/tmp")
            .collect();
        keeps_files_on_a_volume(&image, &effective, &mounts);
        if document_kind(&document) == "Deployment" {
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
    assert_eq!(checked, 7 * 3 + 1);
}

/// The README lists the Secrets that are needed, key by key.
#[test]
fn the_readme_lists_every_secret() {
    let readme = read("deploy/kubernetes/README.md");
    for (name, values) in made_secrets() {
        let line = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        for key in values.keys() {
            assert!(
                line.is_some_and(|line| line.contains(&format!("`{key}`"))),
                "README names no key {key} of {name}"
            );
        }
    }
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
