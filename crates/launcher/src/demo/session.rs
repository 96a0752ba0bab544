//! Logging people in, and keeping their sessions so that a second run does not wait for a new
//! code of everybody.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Answer, Http};
use super::inbox;
use crate::layout::create_folder;

/// A session that ends this soon is not used any more.
const MARGIN: i64 = 120;

/// Kept sessions: one file per phone number, readable by its owner alone, locked while it is used
/// so that two processes never present the same refresh token.
#[derive(Clone)]
pub struct Sessions {
    http: Http,
    folder: PathBuf,
    patience: Duration,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The platform it belongs to.
    base: String,
    access: String,
    refresh: String,
}

impl Sessions {
    /// Sessions kept in `folder`.
    pub fn new(http: &Http, folder: PathBuf, patience: Duration) -> Result<Self> {
        create_folder(&folder, 0o700)?;
        Ok(Self {
            http: http.clone(),
            folder,
            patience,
        })
    }

    /// An access token of this person: the kept one, a refreshed one, or one by a new code.
    pub async fn access(&self, phone: &str) -> Result<String> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join(format!("{phone}.json")))?;
        let file = tokio::task::spawn_blocking(move || {
            file.lock()?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok::<_, std::io::Error>((file, text))
        })
        .await??;
        let (mut file, text) = file;
        let kept: Kept = serde_json::from_str(&text).unwrap_or_default();
        let ours = kept.base == self.http.base();
        if ours && expires(&kept.access) > Utc::now().timestamp() + MARGIN {
            return Ok(kept.access);
        }
        let refreshed = if ours {
            self.refresh(&kept).await
        } else {
            None
        };
        let kept = match refreshed {
            Some(kept) => kept,
            None => {
                let answer = self.log_in(phone).await?;
                self.kept(&answer)?
            }
        };
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        Ok(kept.access)
    }

    /// Logs in by SMS code over Contexor's routes (A07) and answers what `verify` said. A code
    /// asked for less than a minute ago is waited for, visibly.
    pub async fn log_in(&self, phone: &str) -> Result<Answer> {
        let code = self.request_code(phone).await?;
        self.http
            .post("/api/auth/otp/verify/")
            .json(&json!({"phone_number": phone, "code": code}))
            .send()
            .await?
            .expect(200)?
            .is("success", true)?
            .keys(&[
                "message",
                "access",
                "refresh",
                "user.id",
                "user.phone_number",
                "user.full_name",
                "user.email",
            ])
    }

    /// Asks for a login code and reads it from the inbox.
    pub async fn request_code(&self, phone: &str) -> Result<String> {
        let mut waited = false;
        loop {
            let before = inbox::mark(&self.http, phone).await?;
            let answer = self
                .http
                .post("/api/auth/otp/request/")
                .json(&json!({"phone_number": phone}))
                .send()
                .await?;
            if answer.status == 429 && !waited {
                waited = true;
                wait_cooldown(phone, &answer).await?;
                continue;
            }
            answer
                .expect(200)?
                .is("success", true)?
                .says("message", "OTP sent successfully")?
                .is("ttl", 300)?;
            let message = inbox::wait_new(
                &self.http,
                phone,
                &before,
                self.patience,
                "the login code",
                |message| message.channel == "sms" && message.code().is_ok(),
            )
            .await?;
            return message.code();
        }
    }

    async fn refresh(&self, kept: &Kept) -> Option<Kept> {
        if kept.refresh.is_empty() {
            return None;
        }
        let answer = self
            .http
            .post("/api/auth/token/refresh/")
            .json(&json!({"refresh": kept.refresh}))
            .send()
            .await
            .ok()?;
        if answer.status != 200 {
            return None;
        }
        self.kept(&answer).ok()
    }

    fn kept(&self, answer: &Answer) -> Result<Kept> {
        Ok(Kept {
            base: self.http.base().to_owned(),
            access: answer.text("access")?,
            refresh: answer.text("refresh")?,
        })
    }
}

/// Waits as long as the cooldown of a code says, and says so.
async fn wait_cooldown(phone: &str, answer: &Answer) -> Result<()> {
    let seconds = answer.int("retry_after")?;
    if !(0..=60).contains(&seconds) {
        bail!(
            "{}: `retry_after` is {seconds}, beyond the cooldown of 60 s",
            answer.call
        );
    }
    crate::ui::line(format!(
        "      a code was sent to {phone} less than a minute ago; waiting {seconds} s for the cooldown"
    ));
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds)? + 1)).await;
    Ok(())
}

/// The claims of a token, unchecked: only to know when to ask for a new one and whose it is.
pub fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("not a JWT")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn expires(token: &str) -> i64 {
    claims(token)
        .ok()
        .and_then(|claims| claims["exp"].as_i64())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_without_its_key() {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"exp":42}"#);
        assert_eq!(expires(&format!("e30.{payload}.sig")), 42);
        assert_eq!(expires("nonsense"), 0);
    }
}
