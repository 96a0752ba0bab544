//! One conversation.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Mail, mail};
use crate::{inbox::NewMessage, server::Simulators};

/// Most bytes of one mail.
const LARGEST: usize = 10 * 1024 * 1024;

/// What a conversation runs over: the connection itself, or TLS on it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

struct Session<'a> {
    state: &'a Simulators,
    wire: BufReader<Box<dyn Wire>>,
    encrypted: bool,
    from: Option<String>,
    to: Vec<String>,
    authenticated: bool,
}

/// What is done after a line.
enum Next {
    GoOn,
    HangUp,
    /// The client begins TLS now.
    Secure,
}

/// Serves a client until it quits or is hung up on.
pub(super) async fn serve(state: &Simulators, socket: TcpStream) -> std::io::Result<()> {
    let tls = state.smtp.tls();
    let (wire, encrypted): (Box<dyn Wire>, bool) = match &tls {
        Some(acceptor) if state.smtp.behaviour().implicit_tls => {
            (Box::new(acceptor.accept(socket).await?), true)
        }
        _ => (Box::new(socket), false),
    };
    let mut session = Session {
        state,
        wire: BufReader::new(wire),
        encrypted,
        from: None,
        to: Vec::new(),
        authenticated: false,
    };
    if !session.reply("CONNECT", "220 simulator ESMTP").await? {
        return Ok(());
    }
    while let Some(line) = session.line().await? {
        match (session.answer(&line).await?, &tls) {
            (Next::GoOn, _) => {}
            (Next::Secure, Some(acceptor)) => {
                // Whatever was said before is forgotten (RFC 3207, 4.2), also what the client sent too early.
                let secured = acceptor.accept(session.wire.into_inner()).await?;
                session = Session {
                    state,
                    wire: BufReader::new(Box::new(secured)),
                    encrypted: true,
                    from: None,
                    to: Vec::new(),
                    authenticated: false,
                };
            }
            (Next::HangUp | Next::Secure, _) => break,
        }
    }
    Ok(())
}

fn address(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}

impl Session<'_> {
    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.wire.read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line);
        Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Replies to a verb; false when the server hangs up instead.
    async fn reply(&mut self, verb: &'static str, usual: &str) -> std::io::Result<bool> {
        let behaviour = self.state.smtp.behaviour();
        if let Some(delay) = behaviour.delays_ms.get(verb) {
            tokio::time::sleep(Duration::from_millis(*delay)).await;
        }
        if behaviour.drop_at == Some(verb) {
            return Ok(false);
        }
        let reply = behaviour.replies.get(verb).map_or(usual, String::as_str);
        let wire = self.wire.get_mut();
        wire.write_all(format!("{reply}\r\n").as_bytes()).await?;
        wire.flush().await?;
        Ok(true)
    }

    /// Whether a verb is refused by the switches.
    fn refused(&self, verb: &'static str) -> bool {
        let behaviour = self.state.smtp.behaviour();
        behaviour
            .replies
            .get(verb)
            .is_some_and(|reply| reply.starts_with(['4', '5']))
    }

    async fn answer(&mut self, line: &str) -> std::io::Result<Next> {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        if verb == "STARTTLS" && !self.encrypted && self.state.smtp.tls().is_some() {
            let goes_on = self.reply("STARTTLS", "220 2.0.0 Ready").await?;
            let begins = goes_on && !self.refused("STARTTLS");
            return Ok(match (goes_on, begins) {
                (_, true) => Next::Secure,
                (true, false) => Next::GoOn,
                (false, false) => Next::HangUp,
            });
        }
        Ok(if self.obey(&verb, line).await? {
            Next::GoOn
        } else {
            Next::HangUp
        })
    }

    /// False when the conversation ends.
    async fn obey(&mut self, verb: &str, line: &str) -> std::io::Result<bool> {
        match verb {
            "EHLO" | "HELO" => {
                let mut offered = "250-simulator\r\n".to_owned();
                if self.state.smtp.tls().is_some() && !self.encrypted {
                    offered.push_str("250-STARTTLS\r\n");
                }
                if self.state.smtp.behaviour().credentials.is_some() {
                    offered.push_str("250-AUTH PLAIN\r\n");
                }
                offered.push_str("250 8BITMIME");
                self.reply("EHLO", &offered).await
            }
            "AUTH" => self.authenticate(line).await,
            "MAIL" => {
                if self.state.smtp.behaviour().credentials.is_some() && !self.authenticated {
                    return self
                        .reply("MAIL", "530 5.7.0 Authentication required")
                        .await;
                }
                self.from = (!self.refused("MAIL")).then(|| address(line));
                self.to.clear();
                self.reply("MAIL", "250 2.1.0 Ok").await
            }
            "RCPT" => {
                if !self.refused("RCPT") {
                    self.to.push(address(line));
                }
                self.reply("RCPT", "250 2.1.5 Ok").await
            }
            "DATA" if self.from.is_none() || self.to.is_empty() => {
                self.reply("DATA", "503 5.5.1 Bad sequence of commands")
                    .await
            }
            "DATA" => {
                let refused = self.refused("DATA");
                if !self
                    .reply("DATA", "354 End data with <CR><LF>.<CR><LF>")
                    .await?
                {
                    return Ok(false);
                }
                if refused { Ok(true) } else { self.data().await }
            }
            "RSET" => {
                self.from = None;
                self.to.clear();
                self.reply("RSET", "250 2.0.0 Ok").await
            }
            "NOOP" => self.reply("NOOP", "250 2.0.0 Ok").await,
            "QUIT" => {
                self.reply("QUIT", "221 2.0.0 Bye").await?;
                Ok(false)
            }
            _ => {
                self.reply("OTHER", "502 5.5.2 Command not recognised")
                    .await
            }
        }
    }

    async fn authenticate(&mut self, line: &str) -> std::io::Result<bool> {
        let given = line
            .rsplit(' ')
            .next()
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .unwrap_or_default();
        let wanted = self.state.smtp.behaviour().credentials;
        let good = wanted
            .is_some_and(|(name, password)| given == format!("\0{name}\0{password}").into_bytes());
        self.authenticated = good && !self.refused("AUTH");
        let usual = if good {
            "235 2.7.0 Authentication successful"
        } else {
            "535 5.7.8 Authentication credentials invalid"
        };
        self.reply("AUTH", usual).await
    }

    async fn data(&mut self) -> std::io::Result<bool> {
        let mut raw = String::new();
        loop {
            let Some(line) = self.line().await? else {
                return Ok(false);
            };
            if line == "." {
                break;
            }
            // RFC 5321 4.5.2: a leading dot was doubled.
            raw.push_str(line.strip_prefix('.').unwrap_or(&line));
            raw.push_str("\r\n");
            if raw.len() > LARGEST {
                return self.reply("BODY", "552 5.3.4 Message too big").await;
            }
        }
        if !self.refused("BODY") {
            let taken = Mail {
                from: self.from.take().unwrap_or_default(),
                to: std::mem::take(&mut self.to),
                raw,
                encrypted: self.encrypted,
            };
            let shown = mail::read(&taken.raw);
            for to in &taken.to {
                let stored = self.state.inbox.add(NewMessage {
                    channel: "email".to_owned(),
                    to: to.clone(),
                    subject: Some(shown.subject.clone()),
                    text: shown.text.clone(),
                    html: shown.html.clone(),
                    reference: None,
                });
                if stored.is_err() {
                    return self.reply("BODY", "451 4.3.0 Local error").await;
                }
            }
            self.state.smtp.take(taken);
        }
        self.reply("BODY", "250 2.0.0 Ok: queued").await
    }
}
