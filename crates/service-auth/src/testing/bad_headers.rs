//! Bad tokens by their header: algorithms, types, key ids, members that name keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::TestIssuer;
use crate::tokens;

pub(super) fn list(issuer: &TestIssuer) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    algorithms(issuer, &mut list);
    confusions(issuer, &mut list);
    let with = |member: &str, value: Value| {
        let mut header = issuer.header();
        header[member] = value;
        issuer.of(&header, &issuer.payload())
    };
    let without = |member: &str| {
        let mut header = issuer.header();
        header.as_object_mut().map(|header| header.remove(member));
        issuer.of(&header, &issuer.payload())
    };
    list.push(("typ missing", without("typ")));
    for (name, typ) in [
        ("typ JWT", json!("JWT")),
        ("typ of a service token", json!("svc+jwt")),
        ("typ of a portal token", json!("portal+jwt")),
        ("typ of a refresh token", json!("rt+jwt")),
        ("typ in upper case", json!("AT+JWT")),
        ("typ as a full media type", json!("application/at+jwt")),
        ("typ empty", json!("")),
        ("typ null", Value::Null),
        ("typ a list", json!(["at+jwt"])),
    ] {
        list.push((name, with("typ", typ)));
    }
    list.push(("kid missing", without("kid")));
    for (name, kid) in [
        ("kid null", Value::Null),
        ("kid a number", json!(1)),
        ("kid empty", json!("")),
        ("kid a list", json!([issuer.signer().kid()])),
        ("kid a path", json!("../../../../../../dev/null")),
        (
            "kid a path to a known file",
            json!("/proc/sys/kernel/randomize_va_space"),
        ),
        ("kid SQL", json!("x' UNION SELECT 'secret' --")),
        ("kid a command", json!("|sleep 5")),
        ("kid a URL", json!("https://evil.example/jwks.json")),
        (
            "kid with NUL",
            json!(format!("{}\u{0}", issuer.signer().kid())),
        ),
        (
            "kid with a space",
            json!(format!(" {}", issuer.signer().kid())),
        ),
        ("kid not ASCII", json!("کلید")),
        ("kid too long", json!("k".repeat(65))),
        ("kid of nobody", json!("nobody")),
        ("kid of the portal", json!(issuer.portal_signer().kid())),
    ] {
        list.push((name, with("kid", kid)));
    }
    let jwk = serde_json::to_value(issuer.signer().public()).unwrap_or_default();
    for (name, member, value) in [
        ("jku", "jku", json!("https://evil.example/jwks.json")),
        ("jwk", "jwk", jwk),
        ("x5u", "x5u", json!("https://evil.example/cert.pem")),
        ("x5c", "x5c", json!(["MIIB"])),
        ("x5t", "x5t", json!("AAAA")),
        ("crit unknown", "crit", json!(["exp"])),
        ("crit empty", "crit", json!([])),
        ("b64 false", "b64", json!(false)),
        ("zip", "zip", json!("DEF")),
        ("cty", "cty", json!("JWT")),
        ("enc", "enc", json!("A128GCM")),
        ("epk", "epk", json!({})),
        ("p2c", "p2c", json!(2_147_483_647)),
        ("unknown member", "role", json!("admin")),
    ] {
        list.push((name, with(member, value)));
    }
    list
}

fn algorithms(issuer: &TestIssuer, list: &mut Vec<(&'static str, String)>) {
    for (name, alg) in [
        ("alg none, signed", json!("none")),
        ("alg None", json!("None")),
        ("alg NONE", json!("NONE")),
        ("alg nOnE", json!("nOnE")),
        ("alg es256", json!("es256")),
        ("alg ES256 with a space", json!("ES256 ")),
        ("alg ES384", json!("ES384")),
        ("alg ES512", json!("ES512")),
        ("alg ES256K", json!("ES256K")),
        ("alg EdDSA", json!("EdDSA")),
        ("alg RS256", json!("RS256")),
        ("alg PS256", json!("PS256")),
        ("alg dir", json!("dir")),
        ("alg empty", json!("")),
        ("alg null", Value::Null),
        ("alg a number", json!(256)),
        ("alg a list", json!(["ES256"])),
    ] {
        let mut header = issuer.header();
        header["alg"] = alg;
        list.push((name, issuer.of(&header, &issuer.payload())));
    }
    let mut header = issuer.header();
    header.as_object_mut().map(|header| header.remove("alg"));
    list.push(("alg missing", issuer.of(&header, &issuer.payload())));
    header["alg"] = json!("none");
    let signed = signed_part(&header, &issuer.payload());
    list.push(("alg none, no signature", format!("{signed}.")));
    list.push(("alg none, two parts", signed));
}

/// HMAC under things an attacker knows: the public key in each form it is published in.
fn confusions(issuer: &TestIssuer, list: &mut Vec<(&'static str, String)>) {
    let jwk = serde_json::to_string(issuer.signer().public()).unwrap_or_default();
    let jwks = serde_json::to_string(&issuer.jwks()).unwrap_or_default();
    for (name, alg, key) in [
        ("HS256 under the public JWK", "HS256", jwk.as_bytes()),
        ("HS256 under the JWKS", "HS256", jwks.as_bytes()),
        ("HS384 under the public JWK", "HS384", jwk.as_bytes()),
        ("HS512 under the public JWK", "HS512", jwk.as_bytes()),
        ("HS256 under the empty key", "HS256", b"".as_slice()),
        (
            "HS256 under the kid",
            "HS256",
            issuer.signer().kid().as_bytes(),
        ),
        ("ES256 with an HMAC as signature", "ES256", jwk.as_bytes()),
    ] {
        let mut header = issuer.header();
        header["alg"] = json!(alg);
        let signed = signed_part(&header, &issuer.payload());
        let mac = tokens::hmac_sha256_plain(key, signed.as_bytes());
        list.push((name, format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))));
    }
}

pub(super) fn signed_part(header: &Value, payload: &Value) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    )
}
