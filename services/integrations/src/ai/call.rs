//! What is asked for, by whoever asks: people, partners with a key, services.

use common_types::{Language, internal::integrations::AiGenerateRequest};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    log::Origin,
    providers::ai::{ChatMessage, Role, TextRequest},
};

/// Who pays for a call and from where it came.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    /// Whose keys these are: `service:content`, `user:<id>`, `api_key:<id>`.
    pub(crate) owner: String,
    /// The same key of the same owner is neither reserved nor charged twice.
    pub(crate) reservation_key: String,
    pub(crate) purpose: String,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) content_id: Option<Uuid>,
    pub(crate) origin: Origin,
}

impl Bill {
    /// A bill of a call that is made now.
    pub(crate) fn new(owner: String, purpose: &str, organization_id: Uuid) -> Self {
        Self {
            owner,
            reservation_key: Uuid::now_v7().to_string(),
            purpose: purpose.to_owned(),
            organization_id,
            workspace_id: None,
            user_id: None,
            content_id: None,
            origin: Origin::current(),
        }
    }

    /// Makes a retry with the same key and the same body the same call. Another body is another call: nobody gets the answer to
    /// a question that was not asked.
    pub(crate) fn keyed(&mut self, key: &str, body: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(key.as_bytes());
        hash.update([0]);
        hash.update(body);
        self.reservation_key = hex::encode(hash.finalize());
    }

    /// The person for whom a service asks, else who asks itself: what rules per caller count.
    pub(super) fn payer(&self) -> String {
        self.user_id
            .map_or_else(|| self.owner.clone(), |id| format!("user:{id}"))
    }
}

/// A text that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) bill: Bill,
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) max_tokens: u32,
    pub(crate) temperature: f32,
    pub(crate) top_p: Option<f32>,
    pub(crate) stop: Vec<String>,
    pub(crate) model: Option<String>,
    pub(crate) language: Option<Language>,
}

impl Call {
    /// What a service asks for.
    pub(crate) fn of_service(owner: String, request: AiGenerateRequest) -> Self {
        let mut messages = Vec::new();
        if let Some(system) = request.system_prompt {
            messages.push(ChatMessage {
                role: Role::System,
                content: system,
            });
        }
        messages.push(ChatMessage {
            role: Role::User,
            content: request.prompt,
        });
        Self {
            bill: Bill {
                owner,
                reservation_key: request.reservation_key,
                purpose: request.purpose,
                organization_id: request.organization_id,
                workspace_id: request.workspace_id,
                user_id: request.user_id,
                content_id: request.content_id,
                origin: Origin::current(),
            },
            messages,
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            top_p: None,
            stop: Vec::new(),
            model: request.model,
            language: request.language,
        }
    }

    /// The request as a provider sees it, with the model that it gets.
    pub(super) fn request<'a>(&'a self, model: &'a str) -> TextRequest<'a> {
        TextRequest {
            messages: &self.messages,
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            stop: &self.stop,
            model: Some(model),
            language: self.language,
        }
    }
}
