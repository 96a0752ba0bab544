//! E-mail through a mail server, by lettre. The connection is TLS unless the URL says `smtp://` (a local relay).

use std::{error::Error as _, io::ErrorKind, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        Error, PoolConfig,
        client::{Certificate, Tls, TlsParameters},
    },
};
use serde_json::{Value, json};
use service_config::Secret;

use super::{MessageProvider, Outgoing, SendOutcome};

/// Connections to one server that are kept open, and for how long when idle.
const POOL: u32 = 4;
const IDLE: Duration = Duration::from_secs(60);

/// Client of one mail server; clones share its connections.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

/// What a broken conversation means: a reply of the server is a refusal; without any connection nothing was sent; a
/// connection that broke may have carried the mail.
fn outcome_of(error: &Error) -> SendOutcome {
    if error.is_permanent() || error.is_transient() {
        return SendOutcome::Refused {
            code: error
                .status()
                .map_or_else(|| "smtp".to_owned(), |code| format!("smtp.{code}")),
            text: "the mail server refused the e-mail".to_owned(),
            retryable: error.is_transient(),
        };
    }
    // The server offers no TLS, no way of authenticating, or a certificate of somebody else: nothing was sent.
    if error.is_tls() || error.is_client() {
        return SendOutcome::Refused {
            code: if error.is_tls() {
                "smtp.tls"
            } else {
                "smtp.client"
            }
            .to_owned(),
            text: "no safe connection to the mail server is possible".to_owned(),
            retryable: true,
        };
    }
    if error.is_timeout() {
        return SendOutcome::Unknown { code: "timeout" };
    }
    let mut source = error.source();
    while let Some(cause) = source {
        let kind = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        if matches!(
            kind,
            Some(
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::AddrNotAvailable
                    | ErrorKind::NotFound
            )
        ) {
            return SendOutcome::Refused {
                code: "unreachable".to_owned(),
                text: "the mail server cannot be reached".to_owned(),
                retryable: true,
            };
        }
        source = cause.source();
    }
    SendOutcome::Unknown {
        code: "connection_lost",
    }
}

/// What the URL says about TLS, with one more authority; `None` where it asks for none.
fn trusting(authority: &str, url: &url::Url, host: &str) -> Result<Option<Tls>, &'static str> {
    let unreadable = "smtp.ca_file holds no certificate";
    let certificate = Certificate::from_pem(authority.as_bytes()).map_err(|_| unreadable)?;
    let parameters = TlsParameters::builder(host.to_owned())
        .add_root_certificate(certificate)
        .build()
        .map_err(|_| unreadable)?;
    let asked = url
        .query_pairs()
        .find(|(name, _)| name == "tls")
        .map(|(_, value)| value.into_owned());
    Ok(match (url.scheme(), asked.as_deref()) {
        ("smtps", _) => Some(Tls::Wrapper(parameters)),
        (_, Some("required")) => Some(Tls::Required(parameters)),
        (_, Some("opportunistic")) => Some(Tls::Opportunistic(parameters)),
        _ => None,
    })
}

impl Smtp {
    /// `url` as `smtps://user:password@host:465`, `smtp://host:25?tls=required` …; `authority` is the PEM of a certificate
    /// authority of the clinic's own that is trusted beside the system's.
    ///
    /// # Errors
    /// When the URL, the from address or the authority cannot be read; the text holds none of them.
    pub fn new(url: &Secret, from: &str, authority: Option<&str>) -> Result<Self, &'static str> {
        let parsed = url::Url::parse(url.expose()).ok();
        let host = parsed
            .as_ref()
            .and_then(|url| url.host_str().map(str::to_owned));
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
            .map_err(|_| "smtp.url is not a mail server's address")?;
        if let (Some(authority), Some(parsed), Some(host)) = (authority, &parsed, &host)
            && let Some(tls) = trusting(authority, parsed, host)?
        {
            transport = transport.tls(tls);
        }
        let transport = transport
            .timeout(Some(Duration::from_secs(10)))
            .pool_config(PoolConfig::new().max_size(POOL).idle_timeout(IDLE))
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
            Err(error) => outcome_of(&error),
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
