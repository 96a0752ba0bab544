//! The built-in text maker: no language model, and it says so in `model`.
//!
//! Summaries are sentences of the conversation itself, chosen by a graph of their likeness (TextRank), their place, their
//! speaker and their medical words. Drafts are outlines made of the prompt's own words.

mod draft;
mod rank;
mod summary;
mod words;

use std::sync::LazyLock;

use async_trait::async_trait;
use common_types::internal::integrations::AiUsage;
use serde_json::{Value, json};

use super::{Finish, TextAnswer, TextError, TextProvider, TextRequest, estimate_tokens};

pub use summary::{Summary, summarize};
pub use words::guess_language;

/// The name that every answer carries.
pub const MODEL: &str = "tabib-extractive-1";

/// The text maker; it has no state and no account.
pub struct Extractive;

#[async_trait]
impl TextProvider for Extractive {
    fn default_model(&self) -> &str {
        MODEL
    }

    fn models(&self) -> &[String] {
        static ONLY: LazyLock<[String; 1]> = LazyLock::new(|| [MODEL.to_owned()]);
        &*ONLY
    }

    fn may_know(&self, model: &str) -> bool {
        model == MODEL
    }

    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError> {
        let language = request
            .language
            .unwrap_or_else(|| guess_language(request.prompt()));
        let text = draft::compose(request.prompt(), language, request.max_tokens);
        let prompt_tokens = request.prompt_tokens();
        let completion_tokens = estimate_tokens(&text);
        let usage = AiUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        };
        Ok(TextAnswer {
            text,
            model: MODEL.to_owned(),
            usage,
            raw_usage: json!(usage),
            finish: Finish::Stop,
        })
    }

    async fn health(&self) -> Result<Value, String> {
        Ok(json!({"model": MODEL}))
    }
}
