//! E-mail through a mail server, by lettre. The connection is TLS unless the URL says `smtp://` (a local relay).

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
};
use serde_json::{Value, json};
use service_config::Secret;

use super::{MessageProvider, Outgoing, SendOutcome};

/// Client of one mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

impl Smtp {
    /// `url` as `smtps://user:password@host:465`, `smtp://host:25?tls=required` …
    ///
    /// # Errors
    /// When the URL or the from address cannot be read; the text holds neither.
    pub fn new(url: &Secret, from: &str) -> Result<Self, &'static str> {
        let host = url::Url::parse(url.expose())
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
            .map_err(|_| "smtp.url is not a mail server's address")?
            .timeout(Some(std::time::Duration::from_secs(10)))
            .build();
        let from = from
            .parse()
            .map_err(|_| "smtp.from is not an e-mail address")?;
        Ok(Self {
            transport,
            from,
            host: host.unwrap_or_else(|| "tabib".to_owned()),
        })
    }

    fn compose(&self, message: &Outgoing<'_>) -> Option<Message> {
        let builder = Message::builder()
            .from(self.from.clone())
            .to(message.to.parse().ok()?)
            // The same id on a repetition lets mail clients show one copy.
            .message_id(Some(format!("<{}@{}>", message.message_id, self.host)))
            .subject(message.subject.unwrap_or_default());
        match message.html {
            Some(html) => builder
                .multipart(MultiPart::alternative_plain_html(
                    message.text.to_owned(),
                    html.to_owned(),
                ))
                .ok(),
            None => builder.body(message.text.to_owned()).ok(),
        }
    }
}

#[async_trait]
impl MessageProvider for Smtp {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let Some(mail) = self.compose(message) else {
            return SendOutcome::Refused {
                code: "smtp.address".to_owned(),
                text: "the e-mail cannot be composed".to_owned(),
                retryable: false,
            };
        };
        match self.transport.send(mail).await {
            Ok(_) => SendOutcome::Accepted {
                provider_message_id: None,
                cost: None,
                delivered: false,
            },
            Err(error) if error.is_permanent() || error.is_transient() => SendOutcome::Refused {
                code: error
                    .status()
                    .map_or_else(|| "smtp".to_owned(), |code| format!("smtp.{code}")),
                text: "the mail server refused the e-mail".to_owned(),
                retryable: error.is_transient(),
            },
            Err(error) if error.is_timeout() => SendOutcome::Unknown { code: "timeout" },
            Err(error) if error.is_response() => SendOutcome::Unknown {
                code: "connection_lost",
            },
            Err(_) => SendOutcome::Refused {
                code: "unreachable".to_owned(),
                text: "the mail server cannot be reached".to_owned(),
                retryable: true,
            },
        }
    }

    async fn health(&self) -> Result<Value, String> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(json!({})),
            Ok(false) => Err("the mail server does not answer".to_owned()),
            Err(_) => Err("Network error: the mail server cannot be reached".to_owned()),
        }
    }
}
