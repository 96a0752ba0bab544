//! Secrets made once and kept in `data/secrets.toml`, readable by its owner alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use rand::RngExt;

/// The secrets of one data folder.
#[derive(Debug)]
pub struct Secrets {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// Reads the file when it exists.
    pub fn open(path: &Path) -> Result<Self> {
        let values = match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("{} is not valid TOML", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            values,
        })
    }

    /// The secret of this name; made by `make` and kept the first time.
    pub fn get_or_make(&mut self, name: &str, make: impl FnOnce() -> String) -> Result<String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let value = make();
        self.values.insert(name.to_owned(), value.clone());
        self.write()?;
        Ok(value)
    }

    /// A password of 32 letters and digits, so that it needs no escaping in a URL.
    pub fn password(&mut self, name: &str) -> Result<String> {
        self.get_or_make(name, || alphanumeric(32))
    }

    /// A key of 32 random bytes in base64.
    pub fn key(&mut self, name: &str) -> Result<String> {
        self.get_or_make(name, || {
            base64::engine::general_purpose::STANDARD.encode(rand::rng().random::<[u8; 32]>())
        })
    }

    fn write(&self) -> Result<()> {
        let partial = self.path.with_extension("toml.new");
        let text = toml::to_string(&self.values)?;
        let _ = std::fs::remove_file(&partial);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        file.write_all(
            b"# Made by `tabib run`, once. Keep it: the data cannot be read without it.\n",
        )?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, &self.path)?;
        Ok(())
    }
}

/// Random letters and digits from the operating system's generator, seeded per process.
pub fn alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_kept_private() {
        let path = std::env::temp_dir().join(format!("tabib-secrets-{}.toml", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut secrets = Secrets::open(&path).unwrap();
        let first = secrets.password("database").unwrap();
        let key = secrets.key("sealing").unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(key.len(), 44);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut again = Secrets::open(&path).unwrap();
        assert_eq!(again.password("database").unwrap(), first);
        assert_eq!(again.key("sealing").unwrap(), key);
        std::fs::remove_file(&path).unwrap();
    }
}
