//! The development inbox: what the platform would have sent by SMS and e-mail.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http::{Http, find};

/// One message that was sent.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub channel: String,
    pub text: String,
}

impl Message {
    /// The first run of digits: in a code's SMS that is the code.
    pub fn code(&self) -> Result<String> {
        let digits: String = self
            .text
            .chars()
            .filter_map(|char| ascii_digit(char).map_or(Some(' '), Some))
            .collect();
        digits
            .split_whitespace()
            .next()
            .map(str::to_owned)
            .with_context(|| format!("there is no code in the message `{}`", self.text))
    }
}

/// Persian and Arabic digits count as their ASCII ones.
fn ascii_digit(char: char) -> Option<char> {
    match char {
        '0'..='9' => Some(char),
        '\u{6f0}'..='\u{6f9}' => char::from_digit(u32::from(char) - 0x6f0, 10),
        '\u{660}'..='\u{669}' => char::from_digit(u32::from(char) - 0x660, 10),
        _ => None,
    }
}

/// Messages to one address, newest first.
pub async fn messages(http: &Http, to: &str) -> Result<Vec<Message>> {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let answer = http
        .get(&format!("/dev/inbox/messages/?to={to}"))
        .send()
        .await?
        .expect(200)?
        .keys(&["count", "results"])?;
    Ok(answer
        .list("results")?
        .iter()
        .map(|message| Message {
            id: plain(message, "id"),
            channel: plain(message, "channel"),
            text: plain(message, "text"),
        })
        .collect())
}

/// The ids of what is there now, so that something new can be told from it.
pub async fn mark(http: &Http, to: &str) -> Result<Vec<String>> {
    Ok(messages(http, to)
        .await?
        .into_iter()
        .map(|message| message.id)
        .collect())
}

/// Waits for a message that was not there at `mark` and is wanted.
pub async fn wait_new(
    http: &Http,
    to: &str,
    mark: &[String],
    patience: Duration,
    what: &str,
    wanted: impl Fn(&Message) -> bool,
) -> Result<Message> {
    let deadline = Instant::now() + patience;
    loop {
        let all = messages(http, to).await?;
        let found = all
            .iter()
            .find(|message| !mark.contains(&message.id) && wanted(message));
        if let Some(message) = found {
            return Ok(message.clone());
        }
        if Instant::now() >= deadline {
            let texts: Vec<&str> = all.iter().take(3).map(|it| it.text.as_str()).collect();
            bail!(
                "{what} did not arrive at {to} within {} s; the newest there: {texts:?}",
                patience.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

fn plain(value: &Value, key: &str) -> String {
    match find(value, key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_run_of_digits() {
        let message = |text: &str| Message {
            id: String::new(),
            channel: "sms".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            message("کد ورود: 123456\nتا 5 دقیقه").code().unwrap(),
            "123456"
        );
        assert_eq!(message("کد ۱۲۳۴").code().unwrap(), "1234");
        assert!(message("no code").code().is_err());
    }
}
