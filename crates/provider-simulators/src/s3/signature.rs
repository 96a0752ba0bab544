//! Signature Version 4 in the `Authorization` header, checked from the request as it came.

use actix_web::HttpRequest;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};

/// How far a request's time may be off.
const SKEW: TimeDelta = TimeDelta::minutes(15);

/// The vendor's code of a refusal.
pub(super) type Refusal = &'static str;

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Checks a request whose body is at hand.
pub(super) fn check(request: &HttpRequest, body: &[u8], now: DateTime<Utc>) -> Result<(), Refusal> {
    let given = header(request, "authorization").ok_or("AccessDenied")?;
    let fields = given
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("InvalidRequest")?;
    let field = |name: &str| {
        fields
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
            .ok_or("AuthorizationHeaderMalformed")
    };
    let (credential, signed, signature) = (
        field("Credential")?,
        field("SignedHeaders")?,
        field("Signature")?,
    );
    let (key, scope) = credential
        .split_once('/')
        .ok_or("AuthorizationHeaderMalformed")?;
    if key != ACCESS_KEY_ID {
        return Err("InvalidAccessKeyId");
    }
    let at = header(request, "x-amz-date").ok_or("AccessDenied")?;
    let time = NaiveDateTime::parse_from_str(at, "%Y%m%dT%H%M%SZ")
        .map_err(|_| "AccessDenied")?
        .and_utc();
    if (now - time).abs() > SKEW {
        return Err("RequestTimeTooSkewed");
    }
    let day = at.get(..8).unwrap_or_default();
    if scope != format!("{day}/{REGION}/s3/aws4_request") {
        return Err("AuthorizationHeaderMalformed");
    }
    let stated = header(request, "x-amz-content-sha256").ok_or("InvalidRequest")?;
    if stated != "UNSIGNED-PAYLOAD" && stated != hex::encode(Sha256::digest(body)) {
        return Err("XAmzContentSHA256Mismatch");
    }
    let canonical = canonical(request, signed, stated)?;
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{at}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical))
    );
    let secret = format!("AWS4{SECRET_ACCESS_KEY}");
    let key = [day, REGION, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    if hex::encode(hmac(&key, &to_sign)) == signature {
        Ok(())
    } else {
        Err("SignatureDoesNotMatch")
    }
}

/// Method, path, query, headers and body's digest in the one form that both sides sign.
fn canonical(request: &HttpRequest, signed: &str, digest: &str) -> Result<String, Refusal> {
    let mut query: Vec<(&str, &str)> = request
        .query_string()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    query.sort_unstable();
    let query = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = header(request, name).ok_or("SignatureDoesNotMatch")?;
        headers.push_str(&format!("{name}:{}\n", value.trim()));
    }
    // The address must be signed, else a request could be sent to another store.
    if !signed.split(';').any(|name| name == "host") {
        return Err("SignatureDoesNotMatch");
    }
    Ok(format!(
        "{}\n{}\n{query}\n{headers}\n{signed}\n{digest}",
        request.method(),
        request.uri().path(),
    ))
}
