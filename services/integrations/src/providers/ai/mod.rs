//! Makers of texts.

pub mod extractive;
pub mod openai;

use async_trait::async_trait;
use common_types::{Language, internal::integrations::AiUsage};
use serde_json::Value;

/// What is asked for.
pub struct TextRequest<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// Instructions that stand above it.
    pub system_prompt: Option<&'a str>,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// 0.0 to 2.0.
    pub temperature: f32,
    /// Model; the provider's default when absent.
    pub model: Option<&'a str>,
    /// Language of the answer; guessed from the prompt when absent.
    pub language: Option<Language>,
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct TextAnswer {
    /// The text.
    pub text: String,
    /// The model that made it.
    pub model: String,
    /// Its tokens.
    pub usage: AiUsage,
    /// Usage as the provider wrote it.
    pub raw_usage: Value,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The provider refused.
    #[error("HTTP {status}")]
    Refused {
        /// Its HTTP status.
        status: u16,
        /// Its words; for the caller only, never for a log.
        message: String,
        /// Whether another provider may be asked.
        transient: bool,
    },
    /// The provider cannot be reached or did not answer in time.
    #[error("network: {0}")]
    Network(&'static str),
    /// The answer is not of the documented shape.
    #[error("unreadable answer")]
    Unreadable,
}

impl TextError {
    /// Stable code for events and logs.
    pub fn code(&self) -> String {
        match self {
            Self::Refused { status, .. } => format!("provider.{status}"),
            Self::Network(word) => (*word).to_owned(),
            Self::Unreadable => "provider.unreadable".to_owned(),
        }
    }
}

/// A client that makes texts.
#[async_trait]
pub trait TextProvider: Send + Sync {
    /// Model when the caller names none.
    fn default_model(&self) -> &str;

    /// Makes a text.
    ///
    /// # Errors
    /// [`TextError`].
    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError>;

    /// A free call that shows whether the account works.
    async fn health(&self) -> Result<Value, String>;
}

/// Tokens of a text, estimated from above: four Latin or two other characters each.
pub fn estimate_tokens(text: &str) -> i64 {
    let (ascii, other) = text.chars().fold((0_i64, 0_i64), |(ascii, other), c| {
        if c.is_ascii() {
            (ascii + 1, other)
        } else {
            (ascii, other + 1)
        }
    });
    (ascii + 3) / 4 + (other + 1) / 2
}
