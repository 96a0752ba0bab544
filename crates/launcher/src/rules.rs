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
/// What releases run on.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
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
    let metadata = cargo(
        layout,
        &[
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            PLATFORM,
        ],
    )
    .await?;
    let mut broken = check(&read(&serde_json::from_slice(&metadata)?));
    // The metadata names optional dependencies that no feature switches on; the tree does not.
    let tree = cargo(
        layout,
        &[
            "tree",
            "--workspace",
            "--target",
            PLATFORM,
            "--prefix",
            "none",
            "--format",
            "{p}",
        ],
    )
    .await?;
    broken.extend(forbidden(&String::from_utf8_lossy(&tree)));
    Ok(broken)
}

async fn cargo(layout: &Layout, arguments: &[&str]) -> Result<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--locked")
        .current_dir(&layout.checkout)
        .output()
        .await
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo {}: {}",
            arguments[0],
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.stdout)
}

/// Crates of the tree that must not be there.
fn forbidden(tree: &str) -> Vec<String> {
    let linked: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    FORBIDDEN
        .iter()
        .filter(|name| linked.contains(**name))
        .map(|name| format!("{name} is linked; `cargo tree -i {name}` says by whom"))
        .collect()
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
        if !matches!(name, "portal" | "payments") && normal.contains("typst") {
            broken.push(format!(
                "{name} links typst; only portal and payments print documents"
            ));
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

/// Every key of every `settings.default.toml` has a comment: above it, behind it, or on a
/// neighbour of the same block.
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

/// Keys of blocks (runs of lines without a blank one) that hold no comment at all.
fn unexplained(text: &str) -> Vec<String> {
    text.split("\n\n")
        .filter(|block| !block.contains('#'))
        .flat_map(str::lines)
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim().to_owned())
        .collect()
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
    fn forbidden_crates_are_found_in_the_tree() {
        let tree = "portal v0.1.0 (/x)\nring v0.17.8\nring-like v1.0.0\n";
        assert_eq!(forbidden(tree).len(), 1);
        assert!(forbidden("portal v0.1.0\nserde v1.0.0 (*)\n").is_empty());
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
        let text = "# Explained.\na = 1\nb = 2\n\n[c]\nd = 3\n\n[e]\nf = 4 # here\n";
        assert_eq!(unexplained(text), ["d"]);
    }
}
