//! Reading the deployment files. Every test binary uses its part of it.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_yaml_ng::Value;

/// Names and values.
pub type Environment = BTreeMap<String, String>;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every document of a YAML file.
pub fn documents(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| !document.is_null())
        .collect()
}

/// Every document of the Kubernetes manifests, with its file.
pub fn manifests() -> Vec<(String, Value)> {
    let kustomization: Value =
        serde_yaml_ng::from_str(&read("deploy/kubernetes/kustomization.yaml")).unwrap();
    strings(kustomization.get("resources"))
        .into_iter()
        .flat_map(|file| {
            documents(&read(&format!("deploy/kubernetes/{file}")))
                .into_iter()
                .map(move |document| (file.clone(), document))
        })
        .collect()
}

pub fn document_kind(document: &Value) -> String {
    text(&document["kind"])
}

pub fn name_of(document: &Value) -> String {
    text(&document["metadata"]["name"])
}

/// A scalar as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => panic!("not a scalar: {other:?}"),
    }
}

/// A list of scalars as texts; nothing is an empty list.
pub fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Sequence(items)) => items.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

/// The Secrets that `make-secrets` writes: name to keys and values.
pub fn made_secrets() -> BTreeMap<String, Environment> {
    let output = Command::new(root().join("deploy/kubernetes/make-secrets"))
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("POSTGRES_HOST", "db.internal")
        .env("REDIS_URL", "redis://:it's@redis:6379/0")
        .env("AMQP_URL", "amqp://tabib:word@rabbitmq:5672/%2f")
        .env("S3_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("S3_SECRET_ACCESS_KEY", "0123456789abcdef")
        .env("TABIB_ADMIN_PHONE", "09120000000")
        .env("TABIB_ADMIN_PASSWORD", "correct horse battery staple")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    documents(std::str::from_utf8(&output.stdout).unwrap())
        .into_iter()
        .map(|secret| {
            let values = secret["stringData"].as_mapping().unwrap();
            let values = values.iter().map(|(key, value)| (text(key), text(value)));
            (name_of(&secret), values.collect())
        })
        .collect()
}

/// The secrets that `make-env` makes.
pub fn made_env() -> Environment {
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
