//! `[invitations]`, `[admin]` and `[demo]`.

use serde::Deserialize;
use service_config::Secret;

/// Invitations into organisations by phone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationSettings {
    /// How long one may be accepted, in seconds, counted from the last sending.
    pub lifetime_seconds: i64,
    /// Seconds between two text messages of one invitation.
    pub resend_seconds: i64,
    /// Text messages of one invitation in all.
    pub sends: i32,
    /// Text messages of one organisation in 24 hours.
    pub organization_per_day: i64,
    /// Text messages of one inviting person in 24 hours, whatever the organisation.
    pub inviter_per_day: i64,
    /// Text messages to one phone in 24 hours, whoever invites.
    pub phone_per_day: i64,
}

/// The first superuser, made at the first start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Phone in any spelling; empty for none.
    pub phone: String,
    /// Password for the staff login; optional.
    pub password: Option<Secret>,
}

/// Sample data.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemoSettings {
    /// The API key that the sample SOAPify partner gets.
    pub soapify_api_key: Option<Secret>,
    /// Password of the sample staff; without it they log in by code only.
    pub staff_password: Option<Secret>,
}
