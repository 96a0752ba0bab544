use proptest::prelude::*;
use serde_json::json;

use super::*;

const TOLERANCE: Tolerance = Tolerance {
    past: 300,
    future: 60,
};
const NOW: i64 = 1_700_000_000;
/// Long enough for 2,000 flips in the body alone.
const BODY: &[u8] = br#"{"event":"payment.success","id":"evt_1","data":{"payment_id":"pay_1","order_id":"o","amount":250000,"currency":"IRR","description":"a visit, a report and a second look at what the laboratory found","payer":{"name":"Sara","city":"Tehran"},"when":"2026-11-21T08:30:00Z"}}"#;

fn check(
    scheme: &Scheme,
    secret: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    now: i64,
) -> Result<Verified, Refusal> {
    let headers = Headers::new(headers.iter().copied());
    scheme.verify(&[secret.to_owned()], &headers, body, now, TOLERANCE)
}

fn hex_mac(secret: &str, signed: &[u8]) -> String {
    hex::encode(hmac_sha256_plain(secret.as_bytes(), signed))
}

#[test]
fn i05_x_signature_is_the_plain_hex_hmac() {
    let good = hex_mac("secret", BODY);
    let of = |value: &str, secret: &str| {
        check(
            &Scheme::XSignature,
            secret,
            &[("X-Signature", value)],
            BODY,
            0,
        )
    };
    assert_eq!(of(&good, "secret"), Ok(Verified::default()));
    assert_eq!(of(&good, "other"), Err(Refusal::Mismatch));
    assert_eq!(
        of(&format!("sha256={good}"), "secret"),
        Err(Refusal::Mismatch)
    );
    assert_eq!(of(&good.to_uppercase(), "secret"), Err(Refusal::Mismatch));
    assert_eq!(
        check(&Scheme::XSignature, "secret", &[], BODY, 0),
        Err(Refusal::Missing)
    );
    let twice = [
        ("x-signature", good.as_str()),
        ("X-Signature", good.as_str()),
    ];
    assert_eq!(
        check(&Scheme::XSignature, "secret", &twice, BODY, 0),
        Err(Refusal::Missing)
    );
}

#[test]
fn standard_webhooks_vector_and_tolerance() {
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let at = 1_649_367_553;
    let of = |timestamp: &str, now: i64| {
        let headers = [
            ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            ("webhook-timestamp", timestamp),
            (
                "webhook-signature",
                "v1a,xx v1,AAAA v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ];
        check(&Scheme::Standard, secret, &headers, body, now).map(|verified| verified.id)
    };
    assert_eq!(
        of("1649367553", at),
        Ok(Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".to_owned()))
    );
    assert!(of("1649367553", at + 300).is_ok() && of("1649367553", at - 60).is_ok());
    assert_eq!(of("1649367553", at + 301), Err(Refusal::TooOld));
    assert_eq!(of("1649367553", at - 61), Err(Refusal::TooNew));
    assert_eq!(of("1649367554", at), Err(Refusal::Mismatch));
    for bad in ["soon", "+1649367553", " 1649367553", "1649367553.0", ""] {
        assert_eq!(of(bad, at), Err(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn stripe_vector_and_tolerance() {
    let signature = "v1=0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd";
    let body = br#"{"id":"evt_1","object":"event"}"#;
    let of = |header: &str, now: i64| {
        check(
            &Scheme::Stripe,
            "whsec_test_secret",
            &[("stripe-signature", header)],
            body,
            now,
        )
    };
    assert!(of(&format!("t=1700000000,v0=00,v1=00,{signature}"), NOW + 300).is_ok());
    assert_eq!(
        of(&format!("t=1700000000,{signature}"), NOW + 301),
        Err(Refusal::TooOld)
    );
    assert_eq!(
        of(&format!("t=1700000000,{signature}"), NOW - 61),
        Err(Refusal::TooNew)
    );
    assert_eq!(
        of(&format!("t=1700000001,{signature}"), NOW),
        Err(Refusal::Mismatch)
    );
    assert_eq!(of(signature, NOW), Err(Refusal::Missing));
    assert_eq!(of("t=1700000000", NOW), Err(Refusal::Missing));
    assert_eq!(
        of(&format!("t=1,t=1700000000,{signature}"), NOW),
        Err(Refusal::Malformed)
    );
}

#[test]
fn wave_vector_and_tolerance() {
    let signature = "v1=29a978d322d96040aa91109c6e3884da6680db53a246b5e81923e1d8ef096718";
    let body = br#"{"id":"EV_1","type":"checkout.session.completed","data":{}}"#;
    let of = |header: &str, body: &[u8], now: i64| {
        let headers = [("Wave-Signature", header)];
        check(&Scheme::Wave, "wave_sn_WHS_test", &headers, body, now)
    };
    let good = format!("t=1700000000,{signature}");
    assert!(of(&good, body, NOW).is_ok() && of(&good, body, NOW + 300).is_ok());
    assert!(of(&format!("t=1700000000,v1=00,{signature}"), body, NOW).is_ok());
    assert_eq!(of(&good, body, NOW + 301), Err(Refusal::TooOld));
    assert_eq!(of(&good, body, NOW - 61), Err(Refusal::TooNew));
    let later = format!("t=1700000001,{signature}");
    assert_eq!(of(&later, body, NOW), Err(Refusal::Mismatch));
    assert_eq!(of(signature, body, NOW), Err(Refusal::Missing));
    assert_eq!(of("t=1700000000", body, NOW), Err(Refusal::Missing));
    // With a dot between, as some write it, it is another signature.
    let dotted = hex_mac(
        "wave_sn_WHS_test",
        &[b"1700000000.", body.as_slice()].concat(),
    );
    assert_eq!(
        of(&format!("t=1700000000,v1={dotted}"), body, NOW),
        Err(Refusal::Mismatch)
    );
    // The border between time and body is not signed: what moves it is refused.
    let moved = [b"0".as_slice(), body].concat();
    assert_eq!(
        of(&format!("t=170000000,{signature}"), &moved, 170_000_000),
        Err(Refusal::Malformed)
    );
    assert_eq!(
        check(
            &Scheme::Stripe,
            "wave_sn_WHS_test",
            &[("wave-signature", &good)],
            body,
            NOW
        ),
        Err(Refusal::Missing)
    );
}

fn options(value: serde_json::Value) -> Scheme {
    Scheme::from_row("generic", &value).unwrap()
}

#[test]
fn generic_schemes_are_what_their_options_say() {
    let github = options(
        json!({"signature_header": "X-Hub-Signature-256", "prefix": "sha256=", "event_header": "X-GitHub-Event"}),
    );
    let signature = format!("sha256={}", hex_mac("s", BODY));
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "push"),
    ];
    let verified = check(&github, "s", &headers, BODY, 0).unwrap();
    assert_eq!(
        (verified.id.as_deref(), verified.event_type.as_deref()),
        (None, Some("push"))
    );
    assert_eq!(
        check(
            &github,
            "s",
            &[("x-hub-signature-256", &signature[7..])],
            BODY,
            0
        ),
        Err(Refusal::Mismatch)
    );

    let barred = options(
        json!({"signature_header": "x-signature", "content": "body_bar_timestamp", "timestamp_header": "x-timestamp"}),
    );
    let signed = [BODY, b"|1700000000"].concat();
    let signature = hex_mac("s", &signed);
    let headers = |at: &'static str| {
        [
            ("x-signature", signature.clone()),
            ("x-timestamp", at.to_owned()),
        ]
    };
    let of = |at: &'static str, now| {
        let headers = headers(at);
        let pairs: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        check(&barred, "s", &pairs, BODY, now)
    };
    assert!(of("1700000000", NOW).is_ok());
    assert_eq!(of("1700000001", NOW), Err(Refusal::Mismatch));
    assert_eq!(of("1700000000", NOW + 301), Err(Refusal::TooOld));

    let base64 = options(json!({"signature_header": "sig", "spelling": "base64"}));
    let signature = STANDARD.encode(hmac_sha256_plain(b"s", BODY));
    assert!(check(&base64, "s", &[("sig", &signature)], BODY, 0).is_ok());
    for unsound in [
        json!({"signature_header": ""}),
        json!({"signature_header": "a b"}),
        json!({"signature_header": "a", "content": "timestamp_dot_body"}),
        json!({"signature_header": "a", "timestamp_header": "t"}),
    ] {
        let parsed: GenericOptions = serde_json::from_value(unsound.clone()).unwrap();
        assert!(!parsed.is_sound(), "{unsound}");
    }
    assert_eq!(
        Scheme::from_row("generic", &json!({"signature_header": "a", "other": 1})),
        None
    );
}

#[test]
fn a_rotated_secret_is_good_beside_the_new_one() {
    let old = hex_mac("old", BODY);
    let headers = Headers::new([("x-signature", old.as_str())]);
    let both = ["new".to_owned(), "old".to_owned()];
    assert!(
        Scheme::Auto
            .verify(&both, &headers, BODY, 0, TOLERANCE)
            .is_ok()
    );
    assert!(
        Scheme::Auto
            .verify(&both[..1], &headers, BODY, 0, TOLERANCE)
            .is_err()
    );
    assert!(
        Scheme::Auto
            .verify(&[], &headers, BODY, 0, TOLERANCE)
            .is_err()
    );
}

/// Every version of `value` with one bit flipped that can still be a header.
fn flips(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    (0..bytes.len() * 8)
        .filter_map(|bit| {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8(changed).ok()
        })
        .collect()
}

#[test]
fn q_m2_every_flipped_bit_of_body_id_time_and_signature_is_refused() {
    let time = NOW.to_string();
    let standard_signed = [b"msg_1.1700000000.".as_slice(), BODY].concat();
    let standard_signature = format!(
        "v1,{}",
        STANDARD.encode(hmac_sha256_plain(b"secret", &standard_signed))
    );
    let stripe_signed = [b"1700000000.".as_slice(), BODY].concat();
    let stripe_header = format!("t=1700000000,v1={}", hex_mac("secret", &stripe_signed));
    let plain = hex_mac("secret", BODY);
    let generic = options(
        json!({"signature_header": "sig", "content": "timestamp_dot_body", "timestamp_header": "when"}),
    );
    let generic_signature = hex_mac("secret", &stripe_signed);
    let wave_signed = [b"1700000000".as_slice(), BODY].concat();
    let wave_header = format!("t=1700000000,v1={}", hex_mac("secret", &wave_signed));
    let cases: [(&Scheme, Vec<(&str, String)>); 5] = [
        (&Scheme::XSignature, vec![("x-signature", plain)]),
        (
            &Scheme::Standard,
            vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", time.clone()),
                ("webhook-signature", standard_signature),
            ],
        ),
        (&Scheme::Stripe, vec![("stripe-signature", stripe_header)]),
        (&Scheme::Wave, vec![("wave-signature", wave_header)]),
        (&generic, vec![("sig", generic_signature), ("when", time)]),
    ];
    for (scheme, headers) in cases {
        let mut refused = 0;
        let with = |headers: &[(&str, String)], body: &[u8]| {
            let pairs: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            check(scheme, "secret", &pairs, body, NOW)
        };
        assert!(with(&headers, BODY).is_ok(), "{scheme:?}");
        for bit in 0..BODY.len() * 8 {
            let mut changed = BODY.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                with(&headers, &changed).is_err(),
                "{scheme:?}: body bit {bit}"
            );
            refused += 1;
        }
        for at in 0..headers.len() {
            for flipped in flips(&headers[at].1) {
                let mut changed = headers.clone();
                changed[at].1 = flipped.clone();
                assert!(
                    with(&changed, BODY).is_err(),
                    "{scheme:?}: {} {flipped}",
                    headers[at].0
                );
                refused += 1;
            }
        }
        assert!(refused >= 2_000, "{scheme:?}: {refused} flips");
    }
}

#[test]
fn filters_take_names_families_and_everything() {
    let of = |wanted: &[&str], name: &str| {
        let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
        accepts(&wanted, name)
    };
    assert!(
        of(&["payment.success"], "payment.success")
            && !of(&["payment.success"], "payment.successful")
    );
    assert!(of(&["payment.*"], "payment.failed") && !of(&["payment.*"], "payments.failed"));
    assert!(of(&["*"], "anything") && !of(&[], "anything") && !of(&["pay*"], "payment.failed"));
}

proptest! {
    #[test]
    fn no_body_or_header_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let pairs = ["x-signature", "webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature",
            "wave-signature"]
            .map(|name| (name, text.as_str()));
        for scheme in [Scheme::Auto, Scheme::Standard, Scheme::Stripe, Scheme::Wave, Scheme::XSignature] {
            for pairs in [&pairs[..], &pairs[1..]] {
                prop_assert!(check(&scheme, "secret", pairs, &body, NOW).is_err());
            }
        }
    }
}
