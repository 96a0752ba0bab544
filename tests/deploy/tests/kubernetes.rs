//! The Kubernetes manifests as a cluster would take them: valid by its schemas, every secret made, every process watched,
//! spread, bounded and allowed no more than it needs.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use serde_yaml_ng::Value;
use support::{document_kind, made_secrets, manifests, name_of, root, strings, text};

/// The validator with the schemas of this Kubernetes version.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// Every process that answers from outside of its own pod.
const SERVING: [&str; 8] = [
    "gateway",
    "auth-otp",
    "patient-access",
    "payments",
    "portal",
    "content",
    "integrations",
    "chat",
];

fn of_kind(kind: &str) -> Vec<Value> {
    manifests()
        .into_iter()
        .map(|(_, document)| document)
        .filter(|document| document_kind(document) == kind)
        .collect()
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

/// `make-secrets` makes every key that a manifest asks for, and no other.
#[test]
fn every_secret_that_is_asked_for_is_made() {
    let made = made_secrets();
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for workload in of_kind("Deployment").into_iter().chain(of_kind("Job")) {
        for source in container(&workload)["envFrom"].as_sequence().unwrap() {
            if let Some(secret) = source.get("secretRef") {
                let name = text(&secret["name"]);
                asked
                    .entry(name.clone())
                    .or_default()
                    .extend(made[&name].keys().cloned());
            }
        }
        for variable in container(&workload)["env"].as_sequence().unwrap() {
            if let Some(source) = variable.get("valueFrom") {
                let reference = &source["secretKeyRef"];
                asked
                    .entry(text(&reference["name"]))
                    .or_default()
                    .insert(text(&reference["key"]));
            }
        }
    }
    let made_keys: BTreeMap<String, BTreeSet<String>> = made
        .iter()
        .map(|(name, values)| (name.clone(), values.keys().cloned().collect()))
        .collect();
    assert_eq!(asked, made_keys);
    assert_eq!(
        made["tabib-servers"]["REDIS_URL"],
        "redis://:it's@redis:6379/0"
    );
    // No two services share a secret of their own.
    let mut own = BTreeSet::new();
    for values in made.values() {
        for (key, value) in values {
            let given = key.starts_with("s3-") || key.starts_with("admin-") || key.contains("URL");
            assert!(
                given || own.insert(value.clone()),
                "{key} is there twice: {value}"
            );
        }
    }
}

/// A process that is killed, moved or slow is noticed and replaced, and one node's end does not take all of a kind.
#[test]
fn every_process_is_watched_spread_and_bounded() {
    let budgets: BTreeSet<String> = of_kind("PodDisruptionBudget")
        .iter()
        .map(|budget| text(&budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]))
        .collect();
    let scaled: BTreeSet<String> = of_kind("HorizontalPodAutoscaler")
        .iter()
        .map(|scaler| {
            assert_eq!(scaler["spec"]["minReplicas"], 2);
            text(&scaler["spec"]["scaleTargetRef"]["name"])
        })
        .collect();
    let deployments = of_kind("Deployment");
    assert_eq!(deployments.len(), 7 * 2 + 1);
    for deployment in &deployments {
        let name = name_of(deployment);
        let spec = &deployment["spec"];
        let pod = &spec["template"]["spec"];
        assert!(budgets.contains(&name), "{name} has no PodDisruptionBudget");
        // Somebody says how many there are: the autoscaler or the manifest, never both.
        assert_ne!(
            scaled.contains(&name),
            spec.get("replicas").is_some(),
            "{name}: one of autoscaler and replicas"
        );
        assert_eq!(SERVING.contains(&name.as_str()), scaled.contains(&name));
        let spread = &pod["topologySpreadConstraints"][0];
        assert_eq!(
            spread["labelSelector"]["matchLabels"]["app.kubernetes.io/name"],
            name.as_str()
        );
        assert_eq!(
            spec["selector"]["matchLabels"]["app.kubernetes.io/name"],
            name.as_str()
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let program = container(deployment);
        assert_eq!(program["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(
            program["securityContext"]["allowPrivilegeEscalation"],
            false
        );
        assert_eq!(program["securityContext"]["capabilities"]["drop"][0], "ALL");
        for (kind, amount) in [
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        ] {
            assert!(
                program["resources"][kind].get(amount).is_some(),
                "{name}: no {kind} of {amount}"
            );
        }
        for (probe, path) in [
            ("startupProbe", "/health/live"),
            ("livenessProbe", "/health/live"),
            ("readinessProbe", "/health/ready"),
        ] {
            assert_eq!(program[probe]["httpGet"]["path"], path, "{name} {probe}");
        }
        // Longer than the programs' own 30 s of draining.
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 33);
    }
    for service in of_kind("Service") {
        let name = name_of(&service);
        assert!(deployments.iter().any(|it| name_of(it) == name));
        assert_eq!(
            service["spec"]["selector"]["app.kubernetes.io/name"],
            name.as_str()
        );
    }
}

/// Ports that a policy opens: single ones and ranges.
fn opens(policy: &Value, direction: &str, port: u64) -> bool {
    let rules = policy["spec"][direction].as_sequence();
    rules.into_iter().flatten().any(|rule| {
        let ports = rule["ports"].as_sequence();
        ports.into_iter().flatten().any(|open| {
            let from = open["port"].as_u64().unwrap();
            let to = open.get("endPort").map_or(from, |to| to.as_u64().unwrap());
            (from..=to).contains(&port)
        })
    })
}

/// What is not allowed is closed; what the programs listen on and call is allowed.
#[test]
fn network_policies_close_everything_and_open_what_is_used() {
    let policies: BTreeMap<String, Value> = of_kind("NetworkPolicy")
        .into_iter()
        .map(|policy| (name_of(&policy), policy))
        .collect();
    let closed = &policies["tabib-closed"]["spec"];
    assert!(closed["podSelector"].as_mapping().unwrap().is_empty());
    assert_eq!(strings(closed.get("policyTypes")), ["Ingress", "Egress"]);
    assert!(closed.get("ingress").is_none() && closed.get("egress").is_none());
    for deployment in of_kind("Deployment") {
        let name = name_of(&deployment);
        let port = container(&deployment)["ports"][0]["containerPort"]
            .as_u64()
            .unwrap();
        let worker = name.ends_with("-worker");
        for direction in ["ingress", "egress"] {
            assert_eq!(
                opens(&policies["tabib-inside"], direction, port),
                !worker,
                "{name} {direction}"
            );
        }
        assert!(opens(&policies["tabib-metrics"], "ingress", port), "{name}");
    }
    for (policy, port) in [
        ("tabib-inside", 53),
        ("tabib-servers", 6379),
        ("tabib-servers", 5672),
        ("tabib-databases", 5432),
        ("tabib-vendors", 443),
        ("tabib-mail", 587),
    ] {
        assert!(opens(&policies[policy], "egress", port), "{policy} {port}");
    }
    let values = |policy: &str| {
        strings(policies[policy]["spec"]["podSelector"]["matchExpressions"][0].get("values"))
    };
    assert_eq!(values("tabib-databases"), ["gateway"]);
    // Who names, writes about and logs in people has no way out but to its neighbours.
    for inside in ["gateway", "auth-otp", "content"] {
        assert!(!values("tabib-vendors").contains(&inside.to_owned()));
    }
}

/// The interpreter of a virtual environment that has the validator; made once.
fn validator() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().find(|it| it.join(".fingerprint").is_dir());
    let target = profile.and_then(Path::parent).unwrap();
    let folder = target.join(VALIDATOR.replace("==", "-"));
    let done = folder.join("complete");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !done.is_file() {
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(
                output.status.success(),
                "{command:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder));
        run(Command::new(folder.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            VALIDATOR,
        ]));
        std::fs::write(&done, "").unwrap();
    }
    folder.join("bin/kubernetes-validate")
}

/// Kubernetes' own schemas take every document, without unknown members.
#[test]
fn the_manifests_are_valid_by_the_schemas_of_kubernetes() {
    let folder = root().join("deploy/kubernetes");
    let files: BTreeSet<String> = manifests().into_iter().map(|(file, _)| file).collect();
    let output = Command::new(validator())
        .arg("--strict")
        .args(files.iter().map(|file| folder.join(file)))
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said.matches(" passed for resource ").count(),
        manifests().len(),
        "{said}"
    );
}

/// A validator that takes everything proves nothing.
#[test]
fn the_validator_refuses_what_kubernetes_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    std::fs::write(
        &file,
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: x}\nspec: {minAvailables: 1}\n",
    )
    .unwrap();
    let output = Command::new(validator())
        .arg("--strict")
        .arg(file)
        .output()
        .unwrap();
    assert!(!output.status.success());
}
