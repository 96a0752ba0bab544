//! What kind of installation this is.

use serde::{Deserialize, Serialize};

/// The kind of installation. Production by default, so that a forgotten setting is the safe one (decisions.md 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A developer's machine: development providers allowed, send and login budgets wide.
    Development,
    /// Automatic tests.
    Test,
    /// Everything else.
    #[default]
    Production,
}

impl Environment {
    /// True in production.
    #[must_use]
    pub fn is_production(self) -> bool {
        self == Self::Production
    }

    /// True where the development inbox, the sandbox and the built-in summariser may be configured.
    #[must_use]
    pub fn allows_development_providers(self) -> bool {
        !self.is_production()
    }

    /// The name as written in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Production => "production",
        }
    }
}
