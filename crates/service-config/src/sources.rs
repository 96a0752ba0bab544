//! Where settings come from: the process, or a map in tests.

use std::{collections::BTreeMap, path::PathBuf};

/// Environment variables and the settings file.
#[derive(Clone, Default)]
pub struct Sources {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) file_text: Option<String>,
}

impl Sources {
    /// The process's own environment, and the file named by `TABIB_CONFIG_FILE`.
    #[must_use]
    pub fn from_process() -> Self {
        // vars_os: a variable that is not UTF-8 is none of ours and must not stop the service.
        let env = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self::from_map(env)
    }

    /// The given variables; `TABIB_CONFIG_FILE` among them names the file.
    #[must_use]
    pub fn from_map<K: Into<String>, V: Into<String>>(
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let env: BTreeMap<String, String> =
            env.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        let file = env
            .get("TABIB_CONFIG_FILE")
            .filter(|p| !p.is_empty())
            .map(PathBuf::from);
        Self {
            env,
            file,
            file_text: None,
        }
    }

    /// The same sources with `text` in the place of the settings file.
    #[must_use]
    pub fn with_file_text(mut self, text: impl Into<String>) -> Self {
        self.file_text = Some(text.into());
        self
    }

    /// The variable, when it is set and not empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
