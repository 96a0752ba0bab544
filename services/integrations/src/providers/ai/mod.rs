//! Makers of texts.

pub mod anthropic;
pub mod audio;
pub mod extractive;
pub mod openai;
mod retry;
mod sse;

use std::fmt;

use async_trait::async_trait;
use common_types::{Language, internal::integrations::AiUsage};
use futures_util::stream::BoxStream;
use serde_json::Value;

/// Who says a message of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The person who asks.
    User,
    /// An earlier answer.
    Assistant,
}

impl Role {
    /// As OpenAI and Anthropic write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChatMessage")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What is asked for.
pub struct TextRequest<'a> {
    /// The conversation, oldest first.
    pub messages: &'a [ChatMessage],
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// 0.0 to 2.0.
    pub temperature: f32,
    /// 0.0 to 1.0; the provider's own when absent.
    pub top_p: Option<f32>,
    /// Texts at which the answer ends.
    pub stop: &'a [String],
    /// Model; the provider's default when absent.
    pub model: Option<&'a str>,
    /// Language of the answer; guessed from the prompt when absent.
    pub language: Option<Language>,
}

impl TextRequest<'_> {
    /// The last thing that was asked.
    pub fn prompt(&self) -> &str {
        self.messages
            .iter()
            .rev()
            .find(|message| message.role == Role::User)
            .map_or("", |message| &message.content)
    }

    /// All instructions, one after the other.
    pub fn instructions(&self) -> Option<String> {
        let all: Vec<&str> = self
            .messages
            .iter()
            .filter(|message| message.role == Role::System)
            .map(|message| message.content.as_str())
            .collect();
        (!all.is_empty()).then(|| all.join("\n\n"))
    }

    /// Tokens of the conversation, estimated from above.
    pub fn prompt_tokens(&self) -> i64 {
        prompt_tokens(self.messages)
    }
}

/// Why a text ends where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was complete, or a stop text came.
    Stop,
    /// The most tokens were reached.
    Length,
    /// The provider held something back.
    Filter,
}

impl Finish {
    /// As OpenAI writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Filter => "content_filter",
        }
    }
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
    /// Why it ends.
    pub finish: Finish,
}

/// A part of a text that is still being made.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// More of the text.
    Text(String),
    /// Nothing more comes.
    End {
        /// The model that made it.
        model: String,
        /// Its tokens, when the provider counted them.
        usage: Option<AiUsage>,
        /// Why it ends.
        finish: Finish,
    },
}

/// The parts of a text in their order; the last one is [`Piece::End`] or an error.
pub type Pieces = BoxStream<'static, Result<Piece, TextError>>;

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
    /// The text broke off before its end.
    #[error("interrupted")]
    Interrupted,
}

impl TextError {
    /// Stable code for events and logs.
    pub fn code(&self) -> String {
        match self {
            Self::Refused { status, .. } => format!("provider.{status}"),
            Self::Network(word) => (*word).to_owned(),
            Self::Unreadable => "provider.unreadable".to_owned(),
            Self::Interrupted => "provider.interrupted".to_owned(),
        }
    }

    /// Its HTTP status, when it gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Network(_) | Self::Unreadable | Self::Interrupted => None,
        }
    }

    /// Whether another provider may do better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { transient, .. } => *transient,
            Self::Network(_) | Self::Unreadable | Self::Interrupted => true,
        }
    }
}

/// A client that makes texts.
#[async_trait]
pub trait TextProvider: Send + Sync {
    /// Model when the caller names none.
    fn default_model(&self) -> &str;

    /// Models that may be asked for by name.
    fn models(&self) -> &[String];

    /// Whether a model of this name can be this provider's, listed or not.
    fn may_know(&self, model: &str) -> bool;

    /// Makes a text.
    ///
    /// # Errors
    /// [`TextError`].
    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError>;

    /// Makes a text and hands its parts over as they come. One that documents no streaming gives it in one part.
    ///
    /// # Errors
    /// [`TextError`] when it does not begin; later ones are in the stream.
    async fn stream(&self, request: &TextRequest<'_>) -> Result<Pieces, TextError> {
        Ok(in_one_piece(self.generate(request).await?))
    }

    /// A free call that shows whether the account works.
    async fn health(&self) -> Result<Value, String>;
}

/// A sampling parameter as people write it: `0.3`, not the nearest `f32`.
fn tidy(value: f32) -> f64 {
    (f64::from(value) * 10_000.0).round() / 10_000.0
}

/// A finished text as a stream.
pub fn in_one_piece(answer: TextAnswer) -> Pieces {
    let end = Piece::End {
        model: answer.model,
        usage: Some(answer.usage),
        finish: answer.finish,
    };
    Box::pin(futures_util::stream::iter([
        Ok(Piece::Text(answer.text)),
        Ok(end),
    ]))
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

/// Tokens of a conversation, estimated from above; each message has a frame of four.
pub fn prompt_tokens(messages: &[ChatMessage]) -> i64 {
    messages
        .iter()
        .map(|message| estimate_tokens(&message.content) + 4)
        .sum()
}
