//! Clients of the vendors. What is sent through whom is decided by rows (`providers`), not by code.
//!
//! A client never panics on a vendor's answer, never logs a key, and tells a refusal (nothing was sent) from an
//! unknown outcome (it may have been sent).

pub mod ai;
pub(crate) mod breaker;
mod carriers;
pub mod development_inbox;
pub mod http_sms;
pub mod kavenegar;
pub mod melipayamak;
pub mod orange;
pub mod parsian;
mod registry;
pub mod smtp;
pub mod twilio;

use async_trait::async_trait;
use common_types::{Money, PhoneNumber, internal::integrations::Channel};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use carriers::CarrierSettings;
pub use registry::{LiveProvider, Registry};

/// Which client speaks to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// Kavenegar's REST API.
    Kavenegar,
    /// MeliPayamak's REST service.
    MeliPayamak,
    /// Parsian's template service.
    Parsian,
    /// Twilio's Messages resource.
    Twilio,
    /// Orange's SMS API for Africa and the Middle East.
    Orange,
    /// Any HTTP service, by configuration.
    HttpSms,
    /// A mail server.
    Smtp,
    /// OpenAI's chat completions.
    OpenAi,
    /// TalkBot's, of the same shape.
    TalkBot,
    /// Anthropic's messages.
    Anthropic,
    /// The inbox of the simulators.
    DevelopmentInbox,
    /// The sandbox of the simulators; its client lives in payments.
    Sandbox,
    /// A payment provider whose client lives in payments.
    PaymentGateway,
    /// The built-in text maker.
    Extractive,
}

impl Adapter {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kavenegar => "kavenegar",
            Self::MeliPayamak => "melipayamak",
            Self::Parsian => "parsian",
            Self::Twilio => "twilio",
            Self::Orange => "orange",
            Self::HttpSms => "http_sms",
            Self::Smtp => "smtp",
            Self::OpenAi => "openai",
            Self::TalkBot => "talkbot",
            Self::Anthropic => "anthropic",
            Self::DevelopmentInbox => "development_inbox",
            Self::Sandbox => "sandbox",
            Self::PaymentGateway => "payment_gateway",
            Self::Extractive => "extractive",
        }
    }

    /// Every client.
    pub const ALL: [Self; 14] = [
        Self::Kavenegar,
        Self::MeliPayamak,
        Self::Parsian,
        Self::Twilio,
        Self::Orange,
        Self::HttpSms,
        Self::Smtp,
        Self::OpenAi,
        Self::TalkBot,
        Self::Anthropic,
        Self::DevelopmentInbox,
        Self::Sandbox,
        Self::PaymentGateway,
        Self::Extractive,
    ];

    /// From a row; `None` for one that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|adapter| adapter.as_str() == text)
    }

    /// True for what must not exist in production.
    pub fn is_stand_in(self) -> bool {
        matches!(
            self,
            Self::DevelopmentInbox | Self::Sandbox | Self::Extractive
        )
    }
}

/// A provider's own template with its values.
#[derive(Clone, Serialize, Deserialize)]
pub struct Template {
    /// Name or id at the provider.
    pub name: String,
    /// Values by placeholder (`token`, `token2`, …).
    pub tokens: std::collections::BTreeMap<String, String>,
}

/// A message in the moment of sending.
pub struct Outgoing<'a> {
    /// Our row; also the reference by which a provider recognises a repetition.
    pub message_id: Uuid,
    /// How it travels.
    pub channel: Channel,
    /// E.164 number or address.
    pub to: &'a str,
    /// Subject of an e-mail.
    pub subject: Option<&'a str>,
    /// The text.
    pub text: &'a str,
    /// HTML part of an e-mail.
    pub html: Option<&'a str>,
    /// The provider's template, when it has one for this message.
    pub template: Option<&'a Template>,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider took it.
    Accepted {
        /// Its id there.
        provider_message_id: Option<String>,
        /// What it costs, as far as the provider says.
        cost: Option<Money>,
        /// It is already where it should be.
        delivered: bool,
    },
    /// It was certainly not sent.
    Refused {
        /// Stable code, such as `kavenegar.418`.
        code: String,
        /// The provider's words.
        text: String,
        /// Whether the same message may be taken later.
        retryable: bool,
    },
    /// It may have been sent.
    Unknown {
        /// Stable code, such as `timeout`.
        code: &'static str,
    },
}

/// Where a taken message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Not yet known.
    Pending,
    /// Reached its receiver.
    Delivered,
    /// Will not reach it.
    Failed,
    /// The provider does not know the id.
    Unknown,
}

/// A client that carries messages.
#[async_trait]
pub trait MessageProvider: Send + Sync {
    /// Whether sending the same message again cannot put a second copy on its way.
    fn recognises_repetition(&self, message: &Outgoing<'_>) -> bool;

    /// Sends; the caller bounds the time.
    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome;

    /// Whether it can speak a code in a telephone call ([`Channel::Voice`]).
    fn speaks(&self) -> bool {
        false
    }

    /// How many receivers one call may have for a text (no template); 1 when there is no such call.
    fn bulk_limit(&self, _text: &str) -> usize {
        1
    }

    /// Sends one text to many receivers, at most [`MessageProvider::bulk_limit`]; outcomes in the same order.
    async fn send_bulk(&self, messages: &[Outgoing<'_>]) -> Vec<SendOutcome> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            outcomes.push(self.send(message).await);
        }
        outcomes
    }

    /// Whether the provider posts receipts to our callback address.
    fn pushes_receipts(&self) -> bool {
        false
    }

    /// Whether [`MessageProvider::receipts`] can say anything.
    fn gives_receipts(&self) -> bool {
        false
    }

    /// Asks for the receipts of taken messages, in order; `None` when the provider gives none or does not answer.
    async fn receipts(&self, _provider_message_ids: &[String]) -> Option<Vec<Receipt>> {
        None
    }

    /// A free call that shows whether the account works: members for the answer of the health check.
    async fn health(&self) -> Result<serde_json::Value, String>;
}

/// What a broken HTTP call means for a message: refused when no connection was made, else unknown.
pub(crate) fn broken_call(error: &reqwest::Error) -> SendOutcome {
    if error.is_connect() || error.is_builder() {
        SendOutcome::Refused {
            code: "unreachable".to_owned(),
            text: "the provider cannot be reached".to_owned(),
            retryable: true,
        }
    } else {
        SendOutcome::Unknown {
            code: if error.is_timeout() {
                "timeout"
            } else {
                "connection_lost"
            },
        }
    }
}

/// A number as Iranian providers write it: `09…` at home, `00…` elsewhere.
pub(crate) fn dialled(to: &str) -> Option<String> {
    let phone = PhoneNumber::parse(to).ok()?;
    let digits = phone.e164().trim_start_matches('+');
    Some(match digits.strip_prefix("98") {
        Some(national) => format!("0{national}"),
        None => format!("00{digits}"),
    })
}

/// Values of a template in the order in which providers number them: `token`, `token2`, `token3`, `token10`, `token20`, then
/// the others by name.
pub(crate) fn in_order(template: &Template) -> Vec<&str> {
    const KNOWN: [&str; 5] = ["token", "token2", "token3", "token10", "token20"];
    let known = KNOWN.iter().filter_map(|name| template.tokens.get(*name));
    let others = template
        .tokens
        .iter()
        .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
        .map(|(_, value)| value);
    known.chain(others).map(String::as_str).collect()
}
