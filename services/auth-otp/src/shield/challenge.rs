//! Challenge mode: a proof of work that costs a person nothing and a flood of guesses its profit.
//!
//! The server hands out `<expiry>.<difficulty>.<salt>.<mac>`, bound to the caller's source by a key outside the
//! database. The client looks for a `nonce` such that SHA-256 of `<challenge>.<nonce>` begins with `difficulty` zero
//! bits, and sends `<challenge>.<nonce>` as `X-Challenge-Answer` with the same call. An answer counts once. A client
//! that knows nothing of this still gets in, as one of few a minute.

use std::convert::Infallible;
use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Ready, ready};
use serde_json::json;
use service_auth::tokens;
use service_http::{ApiError, Limit};
use sha2::{Digest, Sha256};

use super::{model, store};
use crate::state::AppState;

/// The header that carries an answer.
pub const HEADER: &str = "X-Challenge-Answer";
/// How long a challenge may be answered.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// No longer answer is looked at.
const MAX_BYTES: usize = 256;
const WORDS: &str =
    "Many wrong codes are being tried at the moment. Answer the challenge, or try again later.";

/// The answer a call brought, if any.
#[derive(Debug, Clone, Default)]
pub struct ChallengeAnswer(pub Option<String>);

impl FromRequest for ChallengeAnswer {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let answer = request
            .headers()
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| text.len() <= MAX_BYTES)
            .map(str::to_owned);
        ready(Ok(Self(answer)))
    }
}

/// A right answer, or one of the places without; else 428 with a fresh challenge.
pub(super) async fn check(
    state: &AppState,
    ip: IpAddr,
    answer: &ChallengeAnswer,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let key = state.settings.codes.key.expose().as_bytes();
    if let Some(answer) = &answer.0
        && let Some(expires_at) = judge(key, ip, answer, now)
    {
        let mut conn = state.stack.db.get().await?;
        let digest = Sha256::digest(answer.as_bytes());
        if store::spend_challenge(&mut conn, &digest, expires_at).await? {
            return Ok(());
        }
    } else {
        let places = Limit::per_minute(state.settings.shield.challenge_lane_per_minute);
        let lane = state.stack.limiter.check("challenge-lane", places).await;
        if lane.allowed {
            return Ok(());
        }
    }
    metrics::counter!("auth_codes_refused_total", "reason" => "challenge").increment(1);
    let difficulty = state.settings.shield.challenge_difficulty;
    let challenge = make(key, ip, difficulty, now);
    let status = StatusCode::PRECONDITION_REQUIRED;
    Err(ApiError::new(status, "auth.challenge_required", WORDS)
        .contract(json!({
            "success": false, "message": WORDS, "details": WORDS, "error": WORDS,
            "challenge": challenge,
            "difficulty": difficulty,
            "algorithm": "sha256-leading-zero-bits",
            "header": HEADER,
            "expires_in": LIFETIME.num_seconds(),
        }))
        // Trees with an envelope of their own carry no further members.
        .header("X-Challenge", challenge)
        .retry_after(60))
}

fn make(key: &[u8], ip: IpAddr, difficulty: u32, now: DateTime<Utc>) -> String {
    let salt = URL_SAFE_NO_PAD.encode(tokens::random_bytes::<9>());
    let expiry = (now + LIFETIME).timestamp();
    let mac = mac(key, ip, expiry, difficulty, &salt);
    format!("{expiry}.{difficulty}.{salt}.{mac}")
}

fn mac(key: &[u8], ip: IpAddr, expiry: i64, difficulty: u32, salt: &str) -> String {
    let source = model::source(ip);
    let parts: [&[u8]; 5] = [
        b"tabib.challenge.v1",
        source.as_bytes(),
        &expiry.to_be_bytes(),
        &difficulty.to_be_bytes(),
        salt.as_bytes(),
    ];
    URL_SAFE_NO_PAD.encode(&tokens::hmac_sha256(key, &parts)[..16])
}

/// When a right answer's challenge ends; `None` for a wrong, foreign or late one.
fn judge(key: &[u8], ip: IpAddr, answer: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut parts = answer.split('.');
    let expiry: i64 = parts.next()?.parse().ok()?;
    let difficulty: u32 = parts.next()?.parse().ok()?;
    let (salt, given) = (parts.next()?, parts.next()?);
    let nonce = parts.next()?;
    if nonce.is_empty() || parts.next().is_some() {
        return None;
    }
    let expires_at = DateTime::from_timestamp(expiry, 0)?;
    let real = mac(key, ip, expiry, difficulty, salt);
    let sound = tokens::ct_eq(real.as_bytes(), given.as_bytes())
        && now < expires_at
        && model::leading_zero_bits(&Sha256::digest(answer.as_bytes())) >= difficulty;
    sound.then_some(expires_at)
}

/// Finds an answer, as a client does: about 2^`difficulty` hashes.
#[must_use]
pub fn solve(challenge: &str, difficulty: u32) -> String {
    let mut nonce = 0_u64;
    loop {
        let answer = format!("{challenge}.{nonce}");
        if model::leading_zero_bits(&Sha256::digest(answer.as_bytes())) >= difficulty {
            return answer;
        }
        nonce += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn an_answer_counts_for_its_source_and_time_only() {
        let now = Utc::now();
        let ip: IpAddr = "203.0.113.7".parse().unwrap();
        let answer = solve(&make(KEY, ip, 8, now), 8);
        assert!(judge(KEY, ip, &answer, now).is_some());
        assert!(judge(KEY, "203.0.113.8".parse().unwrap(), &answer, now).is_none());
        assert!(judge(KEY, ip, &answer, now + LIFETIME).is_none());
        assert!(judge(b"another key", ip, &answer, now).is_none());
        // An easier one of one's own making has no mac.
        let easier = answer.replacen(".8.", ".0.", 1);
        assert!(judge(KEY, ip, &easier, now).is_none());
        for junk in ["", "a.b.c.d.e", "1.1.1", "1.1.a.b.c.d"] {
            assert!(judge(KEY, ip, junk, now).is_none(), "{junk}");
        }
    }
}
