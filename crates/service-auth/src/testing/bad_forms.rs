//! Bad tokens by their form: signatures, encodings, parts, sizes, and other kinds of token.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::TestIssuer;
use super::bad_headers::signed_part;
use crate::keys::Signer;
use crate::tokens::random_alphanumeric;

pub(super) fn list(issuer: &TestIssuer) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    signatures(issuer, &mut list);
    shapes(issuer, &mut list);
    let header = issuer.header().to_string();
    let payload = issuer.payload().to_string();
    let payloads: [(&'static str, Vec<u8>); 11] = [
        ("payload a list", b"[]".to_vec()),
        ("payload a string", b"\"x\"".to_vec()),
        ("payload null", b"null".to_vec()),
        ("payload not JSON", b"exp=4102444800".to_vec()),
        (
            "payload with bytes after it",
            format!("{payload} {{}}").into_bytes(),
        ),
        (
            "payload with a NUL after it",
            format!("{payload}\0").into_bytes(),
        ),
        (
            "payload with a byte order mark",
            format!("\u{feff}{payload}").into_bytes(),
        ),
        (
            "payload not UTF-8",
            [b"{\"name\":\"\xff\",".as_slice(), &payload.as_bytes()[1..]].concat(),
        ),
        ("payload nested 2,500 deep", deep(&payload, 2_500)),
        ("payload nested 10,000 deep", deep(&payload, 10_000)),
        ("payload of one megabyte", padded(&payload, 1 << 20)),
    ];
    for (name, bytes) in payloads {
        list.push((name, issuer.raw(header.as_bytes(), &bytes)));
    }
    list.push((
        "payload just over the limit",
        issuer.raw(header.as_bytes(), &padded(&payload, 6200)),
    ));
    for (name, bytes) in [
        ("header a list", b"[]".to_vec()),
        ("header not JSON", b"alg=ES256".to_vec()),
        (
            "header with bytes after it",
            format!("{header}x").into_bytes(),
        ),
        (
            "header nested",
            [
                &b"{\"x\":"[..],
                &b"[".repeat(1000),
                &b"]".repeat(1000),
                b"}",
            ]
            .concat(),
        ),
    ] {
        list.push((name, issuer.raw(&bytes, payload.as_bytes())));
    }
    list.push(("a service token", issuer.service("portal")));
    list.push(("a portal token", issuer.portal(|_| {})));
    list.push((
        "a refresh token",
        format!(
            "tr1.{}.{}",
            random_alphanumeric(22),
            random_alphanumeric(43)
        ),
    ));
    list.push(("an API key", format!("tk_{}", random_alphanumeric(40))));
    list.push(("a patient access token", random_alphanumeric(64)));
    list
}

fn signatures(issuer: &TestIssuer, list: &mut Vec<(&'static str, String)>) {
    let good = issuer.access(|_| {});
    let (signed, signature) = good.rsplit_once('.').unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let with = |bytes: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let mut flipped = bytes.clone();
    flipped[10] ^= 1;
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        .unwrap_or_default();
    let other = issuer.access(|claims| claims.superuser = true);
    let admin = other.split('.').nth(1).unwrap_or_default();
    let (head, body) = signed.split_once('.').unwrap_or_default();
    list.extend([
        ("signature empty", format!("{signed}.")),
        ("signature short", with(&bytes[..63])),
        ("signature long", with(&[bytes.clone(), vec![0]].concat())),
        ("signature flipped", with(&flipped)),
        ("signature all zero", with(&[0; 64])),
        (
            "signature of the curve's order",
            with(&[order.clone(), order].concat()),
        ),
        ("signature all ones", with(&[0xff; 64])),
        (
            "signature in DER",
            with(
                &[
                    &[0x30, 0x44, 0x02, 0x20][..],
                    &bytes[..32],
                    &[0x02, 0x20],
                    &bytes[32..],
                ]
                .concat(),
            ),
        ),
        (
            "signature halves swapped",
            with(&[&bytes[32..], &bytes[..32]].concat()),
        ),
        (
            "signature in standard base64",
            format!("{signed}.{}", STANDARD.encode(&bytes)),
        ),
        (
            "signature with padding",
            format!("{signed}.{}", URL_SAFE.encode(&bytes)),
        ),
        ("signature not base64", format!("{signed}.***")),
        (
            "another payload under the signature",
            format!("{head}.{admin}.{signature}"),
        ),
        (
            "header and payload swapped",
            format!("{body}.{head}.{signature}"),
        ),
    ]);
    if let Ok(stranger) = Signer::generate() {
        let header = issuer.header();
        let forged = signed_part(&header, &issuer.payload());
        let by_stranger = stranger.sign_raw(forged.as_bytes()).unwrap_or_default();
        list.push((
            "signed by a stranger under our kid",
            format!("{forged}.{by_stranger}"),
        ));
        let claims = issuer.access_claims();
        list.push((
            "signed by a stranger under his kid",
            stranger.sign_access(&claims).unwrap_or_default(),
        ));
        let by_portal = issuer
            .portal_signer()
            .sign_access(&claims)
            .unwrap_or_default();
        list.push(("an access token signed by the portal", by_portal));
        let mut header = issuer.header();
        header["jwk"] = serde_json::to_value(stranger.public()).unwrap_or_default();
        header["kid"] = json!(stranger.kid());
        let own = signed_part(&header, &issuer.payload());
        let by_stranger = stranger.sign_raw(own.as_bytes()).unwrap_or_default();
        list.push((
            "signed by the key it brings",
            format!("{own}.{by_stranger}"),
        ));
    }
}

fn shapes(issuer: &TestIssuer, list: &mut Vec<(&'static str, String)>) {
    let good = issuer.access(|_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let flattened =
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    list.extend([
        ("one dot", ".".into()),
        ("two dots", "..".into()),
        ("a word", "token".into()),
        ("the word null", "null".into()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("five parts", format!("{good}.x.y")),
        ("a dot before", format!(".{good}")),
        ("a dot after", format!("{good}.")),
        ("empty header", format!(".{}.{}", parts[1], parts[2])),
        ("empty payload", format!("{}..{}", parts[0], parts[2])),
        (
            "header with padding",
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        ),
        ("twice", format!("{good}{good}")),
        ("with a comma", format!("{good},{good}")),
        ("in quotes", format!("\"{good}\"")),
        ("with the word Bearer", format!("Bearer{good}")),
        ("in upper case", good.to_uppercase()),
        ("as JSON", flattened),
        ("letters for a megabyte", "A".repeat(1 << 20)),
    ]);
}

fn deep(payload: &str, levels: usize) -> Vec<u8> {
    let nest = format!("{{\"x\":{}{},", "[".repeat(levels), "]".repeat(levels));
    payload.replacen('{', &nest, 1).into_bytes()
}

fn padded(payload: &str, bytes: usize) -> Vec<u8> {
    payload
        .replacen('{', &format!("{{\"x\":\"{}\",", "a".repeat(bytes)), 1)
        .into_bytes()
}
