//! An append-only file of JSON lines: the last line of a key wins, a torn last line is ignored, start-up compacts it.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// One line: the key and its newest value (`None` = removed).
#[derive(Serialize, Deserialize)]
struct Line<T> {
    key: String,
    value: Option<T>,
}

/// Where records are appended. Without a folder it keeps nothing, which is what most tests want.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Option<File>,
}

impl Journal {
    /// Opens `<folder>/<name>.jsonl`, returns what it holds in the order in which keys were first written, and rewrites
    /// the file without superseded lines.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be read or replaced.
    pub(crate) fn open<T: Serialize + DeserializeOwned>(
        folder: Option<&Path>,
        name: &str,
    ) -> anyhow::Result<(Self, Vec<(String, T)>)> {
        let Some(folder) = folder else {
            return Ok((Self { file: None }, Vec::new()));
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join(format!("{name}.jsonl"));
        let records = read::<T>(&path)?;
        compact(&path, &records)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok((Self { file: Some(file) }, records))
    }

    /// Appends one record with a single `write`, so that a killed process leaves either the whole line or a torn last one.
    ///
    /// # Errors
    /// When the disk refuses; the caller must then not acknowledge the change.
    pub(crate) fn put<T: Serialize>(&mut self, key: &str, value: &T) -> anyhow::Result<()> {
        self.append(key, Some(value))
    }

    /// Appends a removal.
    ///
    /// # Errors
    /// As [`Journal::put`].
    pub(crate) fn remove(&mut self, key: &str) -> anyhow::Result<()> {
        self.append::<()>(key, None)
    }

    fn append<T: Serialize>(&mut self, key: &str, value: Option<&T>) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(&Line {
            key: key.to_owned(),
            value,
        })?;
        line.push(b'\n');
        file.write_all(&line)
            .context("writing the simulator journal")
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<(String, T)>> {
    let Ok(file) = File::open(path) else {
        return Ok(Vec::new());
    };
    let mut order: Vec<String> = Vec::new();
    let mut values: HashMap<String, T> = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        // A torn line can only be the last one written before a kill, and it was never acknowledged.
        let Ok(Line { key, value }) = serde_json::from_slice::<Line<T>>(&line?) else {
            continue;
        };
        match value {
            Some(value) => {
                if values.insert(key.clone(), value).is_none() {
                    order.push(key);
                }
            }
            None => {
                values.remove(&key);
                order.retain(|known| *known != key);
            }
        }
    }
    Ok(order
        .into_iter()
        .filter_map(|key| values.remove(&key).map(|value| (key, value)))
        .collect())
}

fn compact<T: Serialize>(path: &Path, records: &[(String, T)]) -> anyhow::Result<()> {
    let temporary: PathBuf = path.with_extension("jsonl.new");
    let mut bytes = Vec::new();
    for (key, value) in records {
        serde_json::to_writer(
            &mut bytes,
            &Line {
                key: key.clone(),
                value: Some(value),
            },
        )?;
        bytes.push(b'\n');
    }
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path).with_context(|| format!("replacing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_value_wins_and_a_torn_line_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open::<u32>(Some(folder.path()), "x").unwrap();
        journal.put("a", &1_u32).unwrap();
        journal.put("b", &2_u32).unwrap();
        journal.put("a", &3_u32).unwrap();
        journal.put("c", &4_u32).unwrap();
        journal.remove("b").unwrap();
        let path = folder.path().join("x.jsonl");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"key\":\"d\",\"val").unwrap();
        let (_, records) = Journal::open::<u32>(Some(folder.path()), "x").unwrap();
        assert_eq!(records, vec![("a".to_owned(), 3), ("c".to_owned(), 4)]);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
    }
}
