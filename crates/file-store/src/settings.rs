//! The settings section of services that keep files.

use serde::Deserialize;
use service_config::{Secret, Validate, rule};

/// Where files rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A folder of this machine.
    #[default]
    Local,
    /// A bucket that speaks S3.
    S3,
}

/// Section `files`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStoreSettings {
    /// Where files rest.
    #[serde(default)]
    pub backend: Backend,
    /// The folder of the local backend; made when absent.
    #[serde(default)]
    pub root: String,
    /// The bucket of the S3 backend.
    #[serde(default)]
    pub s3: Option<S3Settings>,
}

/// Section `files.s3`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// Address of the service; AWS when absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(default = "region")]
    pub region: String,
    /// Key id.
    pub access_key_id: Secret,
    /// Key.
    pub secret_access_key: Secret,
    /// Allows an endpoint without TLS, for a store inside the cluster.
    #[serde(default)]
    pub allow_http: bool,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl Validate for FileStoreSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        match self.backend {
            Backend::Local => rule(!self.root.is_empty(), "files.root must name a folder"),
            Backend::S3 => rule(
                self.s3.as_ref().is_some_and(|s| !s.bucket.is_empty()),
                "files.s3.bucket must be set",
            ),
        }
    }
}
