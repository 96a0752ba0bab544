//! Rules that the compiler does not check: which crates may be linked where, that committed
//! documents equal what the binaries say, that every setting is explained.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::layout::Layout;
use crate::services::SERVICES;

/// Crates that must not be anywhere: a second TLS stack, libpq, a crate with an open advisory.
const FORBIDDEN: [&str; 5] = ["openssl-sys", "native-tls", "ring", "pq-sys", "rsa"];
/// What the vocabulary crate must never reach: it holds no I/O.
const NOT_IN_COMMON_TYPES: [&str; 6] = [
    "actix-web",
    "diesel",
    "lapin",
    "redis",
    "deadpool-redis",
    "reqwest",
];

/// The resolved dependencies of the workspace on Linux.
struct Graph {
    /// Package id → name.
    names: BTreeMap<String, String>,
    members: BTreeSet<String>,
    /// Package id → (dependency id, is it a normal or build dependency).
    edges: BTreeMap<String, Vec<(String, bool)>>,
}

/// Checks the dependency rules. Answers every broken one.
pub async fn dependencies(layout: &Layout) -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(&layout.checkout)
        .output()
        .await
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(check(&read(&serde_json::from_slice(&output.stdout)?)))
}

fn read(metadata: &Value) -> Graph {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let members = list(&metadata["workspace_members"])
        .iter()
        .map(text)
        .collect();
    let edges = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let targets = list(&node["deps"])
                .iter()
                .map(|dependency| {
                    let normal = list(&dependency["dep_kinds"])
                        .iter()
                        .any(|kind| kind["kind"].as_str() != Some("dev"));
                    (text(&dependency["pkg"]), normal)
                })
                .collect();
            (text(&node["id"]), targets)
        })
        .collect();
    Graph {
        names,
        members,
        edges,
    }
}

fn check(graph: &Graph) -> Vec<String> {
    let mut broken = Vec::new();
    let reached = graph.reached_from(graph.members.iter());
    for name in FORBIDDEN.iter().filter(|name| reached.contains(**name)) {
        broken.push(format!(
            "{name} is linked; `cargo tree -i {name}` says by whom"
        ));
    }
    for member in &graph.members {
        let name = graph.name(member);
        let normal = graph.normal_closure(member);
        if name == "common-types" {
            for found in NOT_IN_COMMON_TYPES
                .iter()
                .filter(|it| normal.contains(**it))
            {
                broken.push(format!("common-types reaches {found}; it must hold no I/O"));
            }
        }
        if normal.contains("service-testing") {
            broken.push(format!(
                "{name} has service-testing as a normal dependency; it is for tests"
            ));
        }
        let service = SERVICES.iter().any(|it| it.name == name) || name == "gateway";
        if !service {
            continue;
        }
        if name != "portal" && normal.contains("typst") {
            broken.push(format!("{name} links typst; only portal prints documents"));
        }
        for other in SERVICES.iter().filter(|it| it.name != name) {
            if normal.contains(other.name) {
                broken.push(format!(
                    "{name} links the service {}; they talk over the wire",
                    other.name
                ));
            }
        }
    }
    broken
}

impl Graph {
    fn name(&self, id: &str) -> &str {
        self.names.get(id).map_or("", String::as_str)
    }

    /// Names of everything reached over edges of any kind from members; beyond a member,
    /// development dependencies of others do not count (cargo does not build them).
    fn reached_from<'a>(&self, starts: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for start in starts {
            for (target, _) in self.edges.get(start).into_iter().flatten() {
                all.insert(self.name(target).to_owned());
                all.extend(self.normal_closure(target));
            }
        }
        all
    }

    /// Names of everything a package links when it is built without tests.
    fn normal_closure(&self, start: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            for (target, normal) in self.edges.get(id).into_iter().flatten() {
                if *normal && seen.insert(target.as_str()) {
                    queue.push_back(target);
                }
            }
        }
        seen.into_iter()
            .map(|id| self.name(id).to_owned())
            .collect()
    }
}

/// Compares `docs/openapi/<service>.json` with what each binary prints, or writes the files.
/// Answers the names of those that differ.
pub async fn openapi(layout: &Layout, write: bool) -> Result<Vec<String>> {
    let folder = layout.checkout.join("docs/openapi");
    let mut differ = Vec::new();
    for service in SERVICES {
        let output = Command::new(layout.binary(&service.binary()))
            .arg("openapi")
            .output()
            .await
            .with_context(|| format!("cannot start {}", service.binary()))?;
        if !output.status.success() {
            bail!(
                "{} openapi failed: {}",
                service.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let document: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} openapi prints no JSON", service.name))?;
        let text = format!("{}\n", serde_json::to_string_pretty(&document)?);
        let path = folder.join(format!("{}.json", service.name));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        if committed == text {
            continue;
        }
        if write {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&path, text)?;
        }
        differ.push(service.name.to_owned());
    }
    Ok(differ)
}

/// Every key of every `settings.default.toml` has a comment above it or above its neighbours.
pub fn settings_are_explained(layout: &Layout) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let services = SERVICES.map(|service| format!("services/{}", service.name));
    let others = [
        "gateway".to_owned(),
        "crates/provider-simulators".to_owned(),
    ];
    for folder in services.iter().chain(&others) {
        let path = layout.checkout.join(folder).join("settings.default.toml");
        if path.is_file() {
            let text = std::fs::read_to_string(&path)?;
            broken.extend(unexplained(&text).into_iter().map(|key| {
                format!(
                    "{}: `{key}` has no comment",
                    relative(&path, &layout.checkout)
                )
            }));
        } else {
            broken.push(format!("{folder} has no settings.default.toml"));
        }
    }
    Ok(broken)
}

/// Keys that follow a blank line or a section head without a comment between.
fn unexplained(text: &str) -> Vec<String> {
    let mut explained = false;
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if !line.starts_with('[')
            && let Some((key, _)) = line.split_once('=')
            && !explained
            && !line.contains('#')
        {
            keys.push(key.trim().to_owned());
        }
    }
    keys
}

fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, bool)], members: &[&str]) -> Graph {
        let mut graph = Graph {
            names: BTreeMap::new(),
            members: members.iter().map(|it| (*it).to_owned()).collect(),
            edges: BTreeMap::new(),
        };
        for (from, to, normal) in edges {
            for id in [from, to] {
                graph.names.insert((*id).to_owned(), (*id).to_owned());
            }
            let targets = graph.edges.entry((*from).to_owned()).or_default();
            targets.push(((*to).to_owned(), *normal));
        }
        graph
    }

    #[test]
    fn forbidden_crates_are_found_behind_others_and_in_tests() {
        let found = graph(
            &[("portal", "http", false), ("http", "ring", true)],
            &["portal"],
        );
        assert_eq!(check(&found).len(), 1);
        let clean = graph(
            &[("portal", "http", true), ("http", "ring", false)],
            &["portal"],
        );
        assert!(
            check(&clean).is_empty(),
            "a dependency's own tests are not built"
        );
    }

    #[test]
    fn the_vocabulary_holds_no_io_and_tests_stay_in_tests() {
        let found = graph(
            &[
                ("common-types", "helper", true),
                ("helper", "diesel", true),
                ("portal", "service-testing", true),
                ("chat", "service-testing", false),
                ("chat", "payments", true),
            ],
            &["common-types", "portal", "chat"],
        );
        let broken = check(&found).join("\n");
        assert!(broken.contains("common-types reaches diesel"), "{broken}");
        assert!(broken.contains("portal has service-testing"), "{broken}");
        assert!(
            broken.contains("chat links the service payments"),
            "{broken}"
        );
        assert!(!broken.contains("chat has service-testing"), "{broken}");
    }

    #[test]
    fn a_setting_without_a_word_is_named() {
        let text = "# Explained.\na = 1\nb = 2\n\nc = 3\n[d]\ne = 4 # here\n";
        assert_eq!(unexplained(text), ["c"]);
    }
}
