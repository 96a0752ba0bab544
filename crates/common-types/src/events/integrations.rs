//! Events of integrations.

use super::event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A webhook arrived and its signature was good. It carries ids only: whoever acts on it asks the provider first (decisions.md 17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookReceived {
    /// The stored webhook event.
    pub webhook_event_id: Uuid,
    /// Version of the stored event.
    pub aggregate_version: i64,
    /// The organisation of the endpoint.
    pub organization_id: Option<Uuid>,
    /// The endpoint's `endpoint_url`, such as `payment-status`.
    pub endpoint: String,
    /// The provider that posted it.
    pub provider_slug: String,
    /// The provider's event name, such as `payment.success`.
    pub event_type: String,
    /// The provider's id of the thing it speaks of.
    pub provider_reference: Option<String>,
    /// Our id of the thing, as the provider echoes it.
    pub order_reference: Option<String>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}
event!(
    WebhookReceived,
    "integrations.webhook_received",
    1,
    webhook_event_id,
    |e| e.organization_id
);

/// A message reached its receiver, as its provider reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDelivered {
    /// The message.
    pub message_id: Uuid,
    /// Version of the message.
    pub aggregate_version: i64,
    /// The organisation it was sent for.
    pub organization_id: Option<Uuid>,
    /// The owner's reference given when it was handed over.
    pub reference: Option<String>,
    /// `otp`, `credentials` or `notification`.
    pub purpose: String,
    /// `sms`, `email` or `voice`.
    pub channel: String,
    /// The provider that delivered it.
    pub provider: String,
    /// When.
    pub delivered_at: DateTime<Utc>,
}
event!(
    MessageDelivered,
    "integrations.message_delivered",
    1,
    message_id,
    |e| e.organization_id
);

/// A message will not reach its receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFailed {
    /// The message.
    pub message_id: Uuid,
    /// Version of the message.
    pub aggregate_version: i64,
    /// The organisation it was sent for.
    pub organization_id: Option<Uuid>,
    /// The owner's reference given when it was handed over.
    pub reference: Option<String>,
    /// `otp`, `credentials` or `notification`.
    pub purpose: String,
    /// `sms`, `email` or `voice`.
    pub channel: String,
    /// The last provider that tried.
    pub provider: Option<String>,
    /// Stable code of the reason.
    pub reason: String,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
}
event!(
    MessageFailed,
    "integrations.message_failed",
    1,
    message_id,
    |e| e.organization_id
);

/// One AI call was made and settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiUsageRecorded {
    /// The usage row.
    pub usage_id: Uuid,
    /// Version of the row.
    pub aggregate_version: i64,
    /// The organisation that pays.
    pub organization_id: Uuid,
    /// The workspace, when the call was made for one.
    pub workspace_id: Option<Uuid>,
    /// The user who asked.
    pub user_id: Option<Uuid>,
    /// The content it was made for.
    pub content_id: Option<Uuid>,
    /// The caller's stable key of the call; for content the job's id.
    pub reservation_key: String,
    /// What the call was for, such as `content_generation`.
    pub purpose: String,
    /// The provider that answered.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// Both together.
    pub total_tokens: i64,
    /// Millionths of a US dollar.
    pub cost_micros: i64,
    /// How long the call took, in milliseconds.
    pub duration_ms: i64,
    /// False when the call failed.
    pub success: bool,
    /// Stable code of the failure; never the provider's text.
    pub error_code: Option<String>,
    /// When the call ended.
    pub recorded_at: DateTime<Utc>,
}
event!(
    AiUsageRecorded,
    "integrations.ai_usage_recorded",
    1,
    usage_id,
    |e| Some(e.organization_id)
);

/// A provider's credential was set or rotated; whoever holds it in memory drops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialChanged {
    /// The credential.
    pub credential_id: Uuid,
    /// Version of the credential.
    pub aggregate_version: i64,
    /// The organisation it belongs to.
    pub organization_id: Option<Uuid>,
    /// The provider.
    pub provider_slug: String,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
event!(
    CredentialChanged,
    "integrations.credential_changed",
    1,
    credential_id,
    |e| e.organization_id
);

/// A provider's credential ends soon, or has ended: somebody should rotate it. Told once for each end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialExpiring {
    /// The credential.
    pub credential_id: Uuid,
    /// When it was found, in microseconds since the epoch; grows with each finding.
    pub aggregate_version: i64,
    /// The organisation it belongs to; none for the platform's own.
    pub organization_id: Option<Uuid>,
    /// The provider.
    pub provider_slug: String,
    /// Which of its keys, such as `api_key`; never the value.
    pub key_name: String,
    /// `development`, `staging` or `production`.
    pub environment: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was found.
    pub found_at: DateTime<Utc>,
}
event!(
    CredentialExpiring,
    "integrations.credential_expiring",
    1,
    credential_id,
    |e| e.organization_id
);

/// A provider failed its health checks so often in a row that someone should look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderUnhealthy {
    /// The provider.
    pub provider_id: Uuid,
    /// When it was found, in milliseconds since the epoch; grows with each finding.
    pub aggregate_version: i64,
    /// Its slug.
    pub provider_slug: String,
    /// `sms`, `payment`, `ai` …
    pub provider_type: String,
    /// `health_check`, or `low_balance` when its account runs out.
    pub reason: String,
    /// Checks that failed in a row; 0 for a low balance.
    pub failures: i32,
    /// When.
    pub found_at: DateTime<Utc>,
}
event!(
    ProviderUnhealthy,
    "integrations.provider_unhealthy",
    1,
    provider_id,
    |_e| None
);

/// A provider that was unhealthy answers well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRecovered {
    /// The provider.
    pub provider_id: Uuid,
    /// When it was found, in milliseconds since the epoch; grows with each finding.
    pub aggregate_version: i64,
    /// Its slug.
    pub provider_slug: String,
    /// `sms`, `payment`, `ai` …
    pub provider_type: String,
    /// What is over: `health_check` or `low_balance`.
    pub reason: String,
    /// When.
    pub found_at: DateTime<Utc>,
}
event!(
    ProviderRecovered,
    "integrations.provider_recovered",
    1,
    provider_id,
    |_e| None
);

/// An endpoint of outgoing webhooks was switched off because nothing it was sent arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpointDisabled {
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// Version of the endpoint.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Option<Uuid>,
    /// `gone` (it answered 410) or `failing` (120 hours without a success).
    pub reason: String,
    /// When.
    pub disabled_at: DateTime<Utc>,
}
event!(
    WebhookEndpointDisabled,
    "integrations.webhook_endpoint_disabled",
    1,
    endpoint_id,
    |e| e.organization_id
);
