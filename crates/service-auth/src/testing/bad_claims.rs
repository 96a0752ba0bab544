//! Bad tokens by their claims: absent, of another type, out of range, for somebody else.

use serde_json::{Value, json};

use super::TestIssuer;

pub(super) fn list(issuer: &TestIssuer) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    let now = issuer.access_claims().iat;
    let with = |member: &str, value: Value| {
        let mut payload = issuer.payload();
        payload[member] = value;
        issuer.of(&issuer.header(), &payload)
    };
    for (name, member) in [
        ("iss missing", "iss"),
        ("aud missing", "aud"),
        ("sub missing", "sub"),
        ("exp missing", "exp"),
        ("nbf missing", "nbf"),
        ("iat missing", "iat"),
        ("jti missing", "jti"),
        ("sid missing", "sid"),
        ("token_type missing", "token_type"),
        ("superuser missing", "superuser"),
    ] {
        let mut payload = issuer.payload();
        payload
            .as_object_mut()
            .map(|payload| payload.remove(member));
        list.push((name, issuer.of(&issuer.header(), &payload)));
    }
    for (name, member, value) in [
        ("exp before iat", "exp", json!(now - 60)),
        ("exp -1", "exp", json!(-1)),
        ("exp 0", "exp", json!(0)),
        ("exp \"1\"", "exp", json!("1")),
        ("exp a future string", "exp", json!((now + 900).to_string())),
        ("exp a float", "exp", json!(now as f64 + 900.5)),
        ("exp null", "exp", Value::Null),
        ("exp true", "exp", json!(true)),
        ("exp a list", "exp", json!([now + 900])),
        ("exp an object", "exp", json!({"$gt": 0})),
        ("exp the largest integer", "exp", json!(i64::MAX)),
        ("exp beyond the largest integer", "exp", json!(u64::MAX)),
        ("exp in a hundred years", "exp", json!(now + 3_153_600_000)),
        ("exp in milliseconds", "exp", json!((now + 900) * 1000)),
        ("exp at iat", "exp", json!(now)),
        ("nbf in an hour", "nbf", json!(now + 3600)),
        ("nbf a string", "nbf", json!("0")),
        ("nbf null", "nbf", Value::Null),
        ("nbf a float", "nbf", json!(now as f64 - 0.5)),
        ("nbf negative", "nbf", json!(-1)),
        ("iat in an hour", "iat", json!(now + 3600)),
        ("iat a string", "iat", json!(now.to_string())),
        ("iat null", "iat", Value::Null),
        ("iat the smallest integer", "iat", json!(i64::MIN)),
        ("iss of somebody else", "iss", json!("https://evil.example")),
        ("iss of the portal", "iss", json!(super::PORTAL_ISSUER)),
        (
            "iss with a slash",
            "iss",
            json!(format!("{}/", super::ISSUER)),
        ),
        (
            "iss in upper case",
            "iss",
            json!(super::ISSUER.to_uppercase()),
        ),
        ("iss a list", "iss", json!([super::ISSUER])),
        ("iss null", "iss", Value::Null),
        ("aud of the services", "aud", json!("internal")),
        ("aud of the portal", "aud", json!("portal")),
        ("aud of somebody else", "aud", json!("other")),
        ("aud a list", "aud", json!(["tabib"])),
        ("aud a list of two", "aud", json!(["tabib", "internal"])),
        ("aud with a suffix", "aud", json!("tabib.evil.example")),
        ("aud empty", "aud", json!("")),
        ("aud null", "aud", Value::Null),
        ("token_type refresh", "token_type", json!("refresh")),
        ("token_type service", "token_type", json!("service")),
        ("token_type portal", "token_type", json!("portal")),
        ("token_type null", "token_type", Value::Null),
        ("sub no UUID", "sub", json!("admin")),
        ("sub SQL", "sub", json!("' OR 1=1 --")),
        ("sub a number", "sub", json!(1)),
        ("sid no UUID", "sid", json!("x")),
        ("sid null", "sid", Value::Null),
        ("jti no UUID", "jti", json!("x")),
        ("user_id a number", "user_id", json!(1)),
        ("superuser a string", "superuser", json!("true")),
        ("superuser a number", "superuser", json!(1)),
        ("clinic_role unknown", "clinic_role", json!("owner")),
        ("clinic_role a list", "clinic_role", json!(["admin"])),
        ("content_role unknown", "content_role", json!("root")),
        ("org no UUID", "org", json!("1")),
        ("group a string", "group", json!("1")),
        ("group beyond its range", "group", json!(1_i64 << 40)),
        ("lang unknown", "lang", json!("xx")),
    ] {
        list.push((name, with(member, value)));
    }
    let mut past = issuer.payload();
    for (member, at) in [("exp", now - 60), ("nbf", now - 960), ("iat", now - 960)] {
        past[member] = json!(at);
    }
    list.push(("exp past", issuer.of(&issuer.header(), &past)));
    duplicates(issuer, &mut list);
    list
}

/// Two values for one name, where two readers could see two different tokens.
fn duplicates(issuer: &TestIssuer, list: &mut Vec<(&'static str, String)>) {
    let header = issuer.header().to_string();
    let payload = issuer.payload().to_string();
    let before = |json: &str, member: &str| json.replacen('{', &format!("{{{member},"), 1);
    let after = |json: &str, member: &str| format!("{},{member}}}", json.trim_end_matches('}'));
    for (name, member) in [
        ("duplicate exp", r#""exp":4102444800"#),
        ("duplicate superuser", r#""superuser":true"#),
        (
            "duplicate sub",
            r#""sub":"01900000-0000-7000-8000-000000000101""#,
        ),
        ("duplicate by escape", r#""superu\u0073er":true"#),
        ("duplicate of an unknown member", r#""x":1,"x":2"#),
        ("duplicate inside a member", r#""x":{"y":1,"y":2}"#),
        ("a number that is no number", r#""x":1e400"#),
    ] {
        list.push((
            name,
            issuer.raw(header.as_bytes(), before(&payload, member).as_bytes()),
        ));
    }
    list.push((
        "duplicate exp at the end",
        issuer.raw(
            header.as_bytes(),
            after(&payload, r#""exp":4102444800"#).as_bytes(),
        ),
    ));
    for (name, member) in [
        ("duplicate alg", r#""alg":"none""#),
        ("duplicate kid", r#""kid":"x""#),
        ("duplicate typ", r#""typ":"JWT""#),
    ] {
        list.push((
            name,
            issuer.raw(before(&header, member).as_bytes(), payload.as_bytes()),
        ));
    }
    let now = issuer.access_claims().iat;
    for (name, exp) in [
        ("exp 1e400", "1e400"),
        ("exp NaN", "NaN"),
        ("exp in hex", "0x7fffffff"),
        ("exp 4e9", "4e9"),
    ] {
        let changed = payload.replacen(
            &format!(r#""exp":{}"#, now + 900),
            &format!(r#""exp":{exp}"#),
            1,
        );
        list.push((name, issuer.raw(header.as_bytes(), changed.as_bytes())));
    }
}
