//! Which client carries messages for a provider row, and what is kept between messages: mail connections, access tokens.

use std::{collections::HashMap, sync::Arc};

use common_types::Currency;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use service_auth::tokens::sha256_hex;
use service_config::Secret;
use uuid::Uuid;

use super::{
    Adapter, LiveProvider, MessageProvider,
    breaker::Breakers,
    development_inbox::DevelopmentInbox,
    http_sms::{HttpSms, HttpSmsSettings},
    kavenegar::Kavenegar,
    melipayamak::MeliPayamak,
    orange::{self, Orange},
    parsian::Parsian,
    smtp::Smtp,
    twilio::{Sender, Twilio},
};
use crate::AppState;

/// `providers.settings` of one that carries messages; what another kind keeps there is left alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CarrierSettings {
    /// Country codes without plus (`98`, `221`) that it carries; empty: all.
    pub prefixes: Vec<String>,
    /// Price of one segment in minor units, for a provider that does not say what a message cost.
    pub segment_price: Option<i64>,
    /// Its currency; Rial when absent.
    pub currency: Option<Currency>,
    /// Refuses texts that hold links: they are taken out of texts that are not its own templates.
    pub forbids_links: bool,
    /// The request of a generic HTTP provider.
    pub http: Option<HttpSmsSettings>,
    /// PEM of a certificate authority that a mail server's certificate may come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

impl CarrierSettings {
    /// Whether it carries texts to an E.164 number.
    pub fn carries(&self, to: &str) -> bool {
        let digits = to.trim_start_matches('+');
        self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| digits.starts_with(prefix.as_str()))
    }
}

/// Kept between messages, for the life of the process.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) breakers: Breakers,
    orange: orange::Tokens,
    mail: Arc<Mutex<HashMap<String, Smtp>>>,
}

impl Kept {
    /// The mail client of a server, with its pool of connections.
    fn mail(
        &self,
        url: &Secret,
        from: &str,
        authority: Option<&str>,
    ) -> Result<Smtp, &'static str> {
        let ours = authority.unwrap_or_default();
        let key = sha256_hex(format!("{}\n{from}\n{ours}", url.expose()).as_bytes());
        if let Some(known) = self.mail.lock().get(&key) {
            return Ok(known.clone());
        }
        let client = Smtp::new(url, from, authority)?;
        self.mail.lock().insert(key, client.clone());
        Ok(client)
    }
}

impl Adapter {
    /// Sends nothing but its own templates.
    pub(crate) fn templates_only(self) -> bool {
        self == Self::Parsian
    }

    /// Knows its templates by number.
    pub(crate) fn numbers_templates(self) -> bool {
        matches!(self, Self::Parsian | Self::MeliPayamak)
    }
}

impl LiveProvider {
    /// Where this provider posts receipts and inbound texts; `None` without a public address.
    pub(crate) fn callback_url(&self, state: &AppState, kind: &str) -> Option<String> {
        let base = state.settings.server.public_url.trim_end_matches('/');
        let secret = self.callback_secret.as_ref()?;
        (!base.is_empty()).then(|| {
            format!(
                "{base}/api/integrations/sms/callback/{}/{}/{kind}/",
                self.slug,
                secret.expose()
            )
        })
    }

    /// The client that carries messages for an organisation; `None` when credentials are missing or the provider does
    /// something else.
    pub fn messages(
        &self,
        state: &AppState,
        organization: Option<Uuid>,
    ) -> Option<Box<dyn MessageProvider>> {
        let (http, base_url) = (state.http.clone(), self.base_url.clone());
        let text = |key: &str| {
            self.value(organization, key)
                .map(|value| value.expose().to_owned())
                .filter(|value| !value.is_empty())
        };
        match self.adapter {
            Adapter::DevelopmentInbox => Some(Box::new(DevelopmentInbox::new(http, base_url))),
            Adapter::Kavenegar => Some(Box::new(Kavenegar::new(
                http,
                base_url,
                self.value(organization, "api_key")?.clone(),
                text("sender"),
            ))),
            Adapter::MeliPayamak => Some(Box::new(MeliPayamak::new(
                http,
                base_url,
                self.value(organization, "username")?.clone(),
                self.value(organization, "password")?.clone(),
                text("from"),
            ))),
            Adapter::Parsian => Some(Box::new(Parsian::new(
                http,
                base_url,
                self.value(organization, "api_key")?.clone(),
            ))),
            Adapter::Twilio => Some(Box::new(Twilio::new(
                http,
                base_url,
                text("account_sid")?,
                self.value(organization, "auth_token")?.clone(),
                match (text("messaging_service_sid"), text("from")) {
                    (Some(service), _) => Sender::Service(service),
                    (None, from) => Sender::Number(from?),
                },
                self.callback_url(state, "status"),
            ))),
            Adapter::Orange => Some(Box::new(Orange::new(
                http,
                base_url,
                text("client_id")?,
                self.value(organization, "client_secret")?.clone(),
                text("sender_address")?,
                text("sender_name"),
                self.kept.orange.clone(),
            ))),
            Adapter::HttpSms => {
                let settings = self.settings.http.clone()?;
                match HttpSms::new(http, settings, self.values(organization)) {
                    Ok(client) => Some(Box::new(client)),
                    Err(error) => {
                        tracing::error!(%error, provider = %self.slug, "the provider's settings cannot be used");
                        None
                    }
                }
            }
            Adapter::Smtp => {
                let (url, from) = (
                    self.value(organization, "url")?,
                    self.value(organization, "from")?,
                );
                match self
                    .kept
                    .mail(url, from.expose(), self.settings.ca_pem.as_deref())
                {
                    Ok(smtp) => Some(Box::new(smtp)),
                    Err(error) => {
                        tracing::error!(%error, provider = %self.slug, "the mail server's settings cannot be used");
                        None
                    }
                }
            }
            Adapter::OpenAi
            | Adapter::TalkBot
            | Adapter::Anthropic
            | Adapter::Sandbox
            | Adapter::PaymentGateway
            | Adapter::Extractive => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_choose_countries() {
        let of = |prefixes: &[&str]| CarrierSettings {
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..CarrierSettings::default()
        };
        assert!(of(&["98"]).carries("+989121234567"));
        assert!(!of(&["98"]).carries("+221771234567"));
        assert!(of(&["98", "221"]).carries("+221771234567"));
        assert!(of(&[]).carries("+33612345678"));
    }
}
