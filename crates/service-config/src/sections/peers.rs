//! Where the other services are.

use serde::Deserialize;

use super::is_url;
use crate::{Validate, all, rule};

/// Base addresses of the other services, without a final slash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerSettings {
    /// auth-otp.
    pub auth_otp: String,
    /// patient-access.
    pub patient_access: String,
    /// payments.
    pub payments: String,
    /// portal.
    pub portal: String,
    /// content.
    pub content: String,
    /// integrations.
    pub integrations: String,
    /// chat.
    pub chat: String,
    /// gateway.
    pub gateway: String,
    /// The development inbox and sandbox.
    pub simulators: String,
}

impl Default for PeerSettings {
    fn default() -> Self {
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            auth_otp: at(8101),
            patient_access: at(8102),
            payments: at(8103),
            portal: at(8104),
            content: at(8105),
            integrations: at(8106),
            chat: at(8107),
            gateway: at(8080),
            simulators: at(8110),
        }
    }
}

impl Validate for PeerSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let peers = [
            ("auth_otp", &self.auth_otp),
            ("patient_access", &self.patient_access),
            ("payments", &self.payments),
            ("portal", &self.portal),
            ("content", &self.content),
            ("integrations", &self.integrations),
            ("chat", &self.chat),
            ("gateway", &self.gateway),
            ("simulators", &self.simulators),
        ];
        all(peers.iter().map(|(name, url)| {
            let ok = is_url(url) && !url.ends_with('/');
            rule(
                ok,
                &format!("peers.{name} must be an http(s) address without a final slash"),
            )
        }))
    }
}
