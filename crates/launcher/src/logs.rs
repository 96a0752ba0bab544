//! `tabib logs`: the end of a process's log, and what comes after.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::ui;

/// Prints the last `count` lines of a process's log, and with `follow` everything new.
pub async fn show(layout: &Layout, process: &str, count: usize, follow: bool) -> Result<()> {
    let path = layout.log(process);
    if !path.is_file() {
        bail!(
            "there is no log of `{process}`; known: {}",
            known(layout).join(", ")
        );
    }
    let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(count)..] {
        ui::line(line);
    }
    if !follow {
        return Ok(());
    }
    let mut position = std::fs::metadata(&path)?.len();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        position = print_from(&path, position)?;
    }
}

/// Prints what was added after `position`; a file that became shorter was set aside and is read
/// from its beginning.
fn print_from(path: &Path, position: u64) -> Result<u64> {
    let mut file = std::fs::File::open(path).context("the log is gone")?;
    let length = file.metadata()?.len();
    let start = if length < position { 0 } else { position };
    if length == start {
        return Ok(start);
    }
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // A half-written last line waits for its end.
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
        ui::line(line);
    }
    Ok(start + whole as u64)
}

fn known(layout: &Layout) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(layout.data.join("logs"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".log").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}
