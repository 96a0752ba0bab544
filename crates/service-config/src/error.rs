//! Why settings could not be loaded. No message holds a value.

/// Why settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read the settings file {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A layer is no valid TOML.
    #[error("{origin} is not valid TOML (line {line})")]
    Syntax {
        /// The layer.
        origin: String,
        /// Line of the mistake, 0 when unknown.
        line: usize,
    },
    /// A key that the service does not know.
    #[error("unknown setting `{key}` ({origin}); {hint}")]
    Unknown {
        /// Dotted path of the key.
        key: String,
        /// Where it was set: a variable's name or a file.
        origin: String,
        /// The keys that exist there.
        hint: String,
    },
    /// A key without default that was not given.
    #[error(
        "missing setting `{key}`: set the environment variable {env}, or the key in the settings file"
    )]
    Missing {
        /// Dotted path of the key.
        key: String,
        /// The variable that sets it.
        env: String,
    },
    /// A value of the wrong type or outside its choices.
    #[error("setting `{key}` ({origin}) is not valid: {reason}")]
    Invalid {
        /// Dotted path of the key.
        key: String,
        /// Where it was set.
        origin: String,
        /// What is expected.
        reason: String,
    },
    /// Rules of [`crate::Validate`] that do not hold.
    #[error("settings are not valid: {}", .0.join("; "))]
    Rules(Vec<String>),
}
