//! Internal API of integrations: messages, credentials, AI.

use crate::Language;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
    /// A telephone call that speaks a code; the text is for providers that show it instead.
    Voice,
}

impl Channel {
    /// The channel as it stands on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Voice => "voice",
        }
    }
}

/// What a message is for; it rules priority, retention and retries (decisions.md 25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePurpose {
    /// A one-time code.
    Otp,
    /// A patient's permanent keys.
    Credentials,
    /// Anything else.
    Notification,
}

impl MessagePurpose {
    /// The purpose as it stands on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Credentials => "credentials",
            Self::Notification => "notification",
        }
    }
}

/// Whether the caller waits for the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// Answered when a provider took it, all refused, or time ran out.
    Synchronous,
    /// Kept sealed and sent by the worker.
    Queued,
}

/// A provider's own template, for lines that only carry approved texts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageTemplate {
    /// Logical key of the template registry, such as `patient-access-otp`.
    pub key: String,
    /// Values by placeholder name.
    #[serde(default)]
    pub tokens: BTreeMap<String, String>,
}

/// Body of `POST /internal/messages/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessageRequest {
    /// The same key never sends twice.
    pub idempotency_key: String,
    /// How it travels.
    pub channel: Channel,
    /// E.164 number or e-mail address.
    pub to: String,
    /// The text's language.
    pub language: Language,
    /// Subject of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// The HTML part of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What it is for.
    pub purpose: MessagePurpose,
    /// A provider's template for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<MessageTemplate>,
    /// Whether the caller waits.
    pub mode: DeliveryMode,
    /// The organisation it is sent for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<Uuid>,
    /// The owner's reference; comes back in `integrations.message_*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl fmt::Debug for SendMessageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessageRequest")
            .field("channel", &self.channel)
            .field("purpose", &self.purpose)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageTemplate")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// A provider took it.
    Sent,
    /// It waits for the worker.
    Queued,
    /// A provider did not answer in time; it may have been sent.
    Unknown,
    /// Every provider refused (answered with 502).
    Refused,
}

/// Answer of `POST /internal/messages/` (200, or 502 with `refused`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessageResponse {
    /// The message.
    #[serde(default)]
    pub message_id: Option<Uuid>,
    /// What became of it.
    pub state: MessageState,
    /// The provider that took it.
    #[serde(default)]
    pub provider: Option<String>,
    /// What the provider charges for it, in Rial, as far as it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<i64>,
}

/// Answer of `GET /internal/credentials/{slug}/`. Held in memory at most five minutes (decisions.md 17).
#[derive(Clone, Serialize, Deserialize)]
pub struct ProviderCredentials {
    /// The provider's slug.
    pub provider: String,
    /// Values by key name.
    pub values: BTreeMap<String, String>,
}

impl fmt::Debug for ProviderCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.values.keys().collect();
        f.debug_struct("ProviderCredentials")
            .field("provider", &self.provider)
            .field("keys", &keys)
            .finish()
    }
}

/// Body of `POST /internal/ai/generate/`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AiGenerateRequest {
    /// What the call is for, such as `content_generation`.
    pub purpose: String,
    /// The prompt.
    pub prompt: String,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Most tokens of the answer, 1 to 4000.
    pub max_tokens: u32,
    /// 0.0 to 2.0.
    pub temperature: f32,
    /// A model of the allow-list; the default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The language the answer should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// The user who asks.
    pub user_id: Option<Uuid>,
    /// The organisation that pays.
    pub organization_id: Uuid,
    /// The workspace it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Uuid>,
    /// The content it is for; comes back in `integrations.ai_usage_recorded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<Uuid>,
    /// Stable key of this call: a retry with the same key is neither reserved nor charged twice.
    pub reservation_key: String,
}

impl fmt::Debug for AiGenerateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiGenerateRequest")
            .field("purpose", &self.purpose)
            .field("model", &self.model)
            .field("organization_id", &self.organization_id)
            .field("reservation_key", &self.reservation_key)
            .finish_non_exhaustive()
    }
}

/// Tokens of one AI call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiUsage {
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// Both together.
    pub total_tokens: i64,
}

/// Answer 200 of `POST /internal/ai/generate/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiGenerateResponse {
    /// The text.
    pub text: String,
    /// The model that answered.
    pub model: String,
    /// Its tokens.
    pub usage: AiUsage,
    /// Millionths of a US dollar.
    pub cost_micros: i64,
    /// The provider that answered.
    pub provider: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

impl fmt::Debug for AiGenerateResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiGenerateResponse")
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// Body 402 of the AI routes: which limit is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiLimitExceeded {
    /// `user`, `workspace` or `organization`.
    pub scope: String,
    /// `requests`, `tokens` or `cost`.
    pub kind: String,
    /// The limit (for cost in millionths of a US dollar).
    pub limit: i64,
    /// What is used or reserved already.
    pub used: i64,
    /// `monthly` or `daily`.
    pub period: String,
    /// When the window ends.
    pub reset_at: Option<DateTime<Utc>>,
}

/// One message of a conversation to be summed up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummarizeMessage {
    /// Who speaks: `patient`, `doctor` or a neutral label; never a name.
    pub author: String,
    /// What was said.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl fmt::Debug for SummarizeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SummarizeMessage")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Body of `POST /internal/ai/summarize/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummarizeRequest {
    /// The summary's language.
    pub language: Language,
    /// The conversation, oldest first.
    pub messages: Vec<SummarizeMessage>,
    /// The organisation that pays.
    pub organization_id: Option<Uuid>,
    /// The user who asks.
    pub user_id: Option<Uuid>,
}

/// Answer 200 of `POST /internal/ai/summarize/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummarizeResponse {
    /// The short summary.
    pub summary_text: String,
    /// The long form.
    pub content: String,
    /// What made it; the built-in one says so.
    pub model: String,
}

impl fmt::Debug for SummarizeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SummarizeResponse")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
