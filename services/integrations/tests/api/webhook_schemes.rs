//! How senders sign: their own packages where there are some, their documents where there are none.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use provider_simulators::sandbox::signature;
use serde_json::{Value, json};
use service_testing::run_vendor_python;
use uuid::Uuid;

use crate::{
    outgoing_support::{call, call_as},
    support::{Setup, World},
    webhook_support::{SECRET, post, provider, received, register, signed},
};

const SIGN_STANDARD: &str = r#"
import sys, datetime
from standardwebhooks.webhooks import Webhook
at = datetime.datetime.fromtimestamp(int(sys.argv[3]), datetime.timezone.utc)
print(Webhook(sys.argv[1]).sign(sys.argv[2], at, sys.argv[4]))
"#;

#[tokio::test]
async fn i05_what_the_standardwebhooks_package_signs_is_accepted() {
    let world = World::start().await;
    let secret = format!("whsec_{}", STANDARD.encode([9_u8; 32]));
    register(
        &world,
        "std",
        json!({"secret_key": secret, "scheme": "standard"}),
    )
    .await;
    let body =
        json!({"type": "payment.success", "data": {"payment_id": "p1", "note": "سلام"}}).to_string();
    let now = world.service.clock.shared().now().timestamp().to_string();
    let made = run_vendor_python(SIGN_STANDARD, &[&secret, "msg_1", &now, &body]).await;
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", now.as_str()),
        ("webhook-signature", made.trim()),
    ];
    assert_eq!(post(&world, "std", &headers, &body).await.0, 200);
    assert_eq!(
        post(&world, "std", &headers, &body).await.0,
        200,
        "a copy is no error"
    );
    assert_eq!(received(&world).await.len(), 1);
    let renamed = [("webhook-id", "msg_2"), headers[1], headers[2]];
    assert_eq!(
        post(&world, "std", &renamed, &body).await.0,
        401,
        "the id is signed"
    );
    assert_eq!(
        signed(&world, "std", &secret, &body).await.0,
        401,
        "another scheme is none"
    );
}

const SIGN_STRIPE: &str = r#"
import sys, stripe
body, secret, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at) \
    if "timestamp" in stripe.WebhookSignature.generate_signature_header.__code__.co_varnames \
    else "t=%d,v1=%s" % (at, stripe.WebhookSignature._compute_signature("%d.%s" % (at, body), secret))
assert stripe.Webhook.construct_event(body, header, secret, tolerance=10**9).id == "evt_1"
print(header)
"#;

#[tokio::test]
async fn what_the_stripe_package_signs_is_accepted() {
    let world = World::start().await;
    let secret = "whsec_test_of_stripe";
    register(&world, "stripe", json!({"secret_key": secret, "scheme": "stripe", "events": ["checkout.session.*"], "tolerance_seconds": 60})).await;
    let body = json!({"id": "evt_1", "object": "event", "type": "checkout.session.completed",
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"order_id": "o1"}}}}).to_string();
    let now = world.service.clock.shared().now().timestamp();
    let header_at = async |at: i64| {
        run_vendor_python(SIGN_STRIPE, &[&body, secret, &at.to_string()])
            .await
            .trim()
            .to_owned()
    };
    let good = header_at(now).await;
    for _ in 0..3 {
        assert_eq!(
            post(&world, "stripe", &[("stripe-signature", &good)], &body)
                .await
                .0,
            200
        );
    }
    let events = received(&world).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (
            &events[0]["provider_reference"],
            &events[0]["order_reference"]
        ),
        (&json!("cs_1"), &json!("o1"))
    );
    let old = header_at(now - 61).await;
    assert_eq!(
        post(&world, "stripe", &[("stripe-signature", &old)], &body)
            .await
            .0,
        401,
        "the endpoint's own tolerance"
    );
    let early = header_at(now + 61).await;
    assert_eq!(
        post(&world, "stripe", &[("stripe-signature", &early)], &body)
            .await
            .0,
        401
    );
    assert_eq!(
        post(
            &world,
            "stripe",
            &[("stripe-signature", &good)],
            &body.replace("o1", "o2")
        )
        .await
        .0,
        401
    );
    let (_, kept) = call(&world, "GET", "webhook-rejections/", json!({})).await;
    let reasons: Vec<&Value> = kept["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["reason"])
        .collect();
    assert_eq!(reasons, ["mismatch", "too_new", "too_old"]);
    assert_eq!(
        kept["results"][0]["body_sha256"].as_str().unwrap().len(),
        64
    );
}

#[tokio::test]
async fn a_generic_scheme_is_taken_as_its_options_say_and_copies_are_told_by_the_body() {
    let world = World::start().await;
    let options = json!({"signature_header": "X-Hub-Signature-256", "prefix": "sha256=", "event_header": "X-GitHub-Event"});
    register(
        &world,
        "hub",
        json!({"scheme": "generic", "scheme_options": options, "events": ["push"]}),
    )
    .await;
    let body = json!({"ref": "main"}).to_string();
    let good = format!("sha256={}", signature(SECRET, body.as_bytes()));
    assert_eq!(
        post(
            &world,
            "hub",
            &[("x-hub-signature-256", &good), ("x-github-event", "push")],
            &body
        )
        .await
        .0,
        200
    );
    assert_eq!(received(&world).await[0]["event_type"], "push");
    // The header is not signed: another value must not make another event of the same body.
    post(
        &world,
        "hub",
        &[("x-hub-signature-256", &good), ("x-github-event", "pull")],
        &body,
    )
    .await;
    post(
        &world,
        "hub",
        &[("x-hub-signature-256", &good), ("x-github-event", "push")],
        &body,
    )
    .await;
    assert_eq!(received(&world).await.len(), 1);
    for unsound in [
        json!({}),
        json!({"signature_header": "a", "content": "timestamp_dot_body"}),
        json!({"signature_header": "a", "x": 1}),
    ] {
        let body = json!({"provider": provider(&world, "sandbox").await, "name": "x", "endpoint_url": "y", "secret_key": "z",
            "scheme": "generic", "scheme_options": unsound});
        let (status, refused) = call(&world, "POST", "webhooks/", body).await;
        assert!(
            status == 400 && refused["scheme_options"].is_array(),
            "{refused}"
        );
    }
}

/// What Wave documents: `t=<seconds>,v1=<hex>` over the time directly followed by the body.
fn sign_wave(secret: &str, at: i64, body: &str) -> String {
    format!(
        "t={at},v1={}",
        signature(secret, format!("{at}{body}").as_bytes())
    )
}

fn wave_session(id: &str, payment: Uuid) -> String {
    json!({"id": id, "type": "checkout.session.completed", "data": {"id": "cos-1b3", "amount": "1000", "currency": "XOF",
        "checkout_status": "complete", "payment_status": "succeeded", "client_reference": payment}})
    .to_string()
}

#[tokio::test]
async fn what_wave_signs_is_accepted_at_its_own_endpoint() {
    let secret = "wave_sn_WHS_canary";
    let world = World::with(Setup {
        settings: vec![("webhooks.wave_secret", secret.to_owned())],
        ..Setup::default()
    })
    .await;
    let now = world.service.clock.shared().now().timestamp();
    let payment = Uuid::now_v7();
    let body = wave_session("EV_1", payment);
    let good = sign_wave(secret, now, &body);
    // Copies come with a time and a signature of their own.
    let again = sign_wave(secret, now - 3, &body);
    for header in [&good, &good, &again] {
        let (status, taken) = post(&world, "wave", &[("wave-signature", header)], &body).await;
        assert_eq!((status, &taken["success"]), (200, &json!(true)), "{taken}");
    }
    let events = received(&world).await;
    assert_eq!(events.len(), 1, "one event however many copies");
    assert_eq!(
        (
            &events[0]["provider_slug"],
            &events[0]["provider_reference"],
            &events[0]["order_reference"]
        ),
        (&json!("wave"), &json!("cos-1b3"), &json!(payment)),
        "the session's id and our payment's id, and no amount"
    );
    assert!(!events[0].to_string().contains("1000"));
    for (header, why) in [
        (sign_wave(secret, now - 301, &body), "too old"),
        (sign_wave(secret, now + 61, &body), "too new"),
        (sign_wave("wave_sn_WHS_other", now, &body), "another secret"),
        (
            good.replace(&format!("t={now}"), &format!("t={}", now + 1)),
            "the time is signed",
        ),
        (String::new(), "none"),
    ] {
        let (status, _) = post(&world, "wave", &[("wave-signature", &header)], &body).await;
        assert_eq!(status, 401, "{why}");
    }
    let other = wave_session("EV_2", payment);
    let (status, _) = post(&world, "wave", &[("wave-signature", &good)], &other).await;
    assert_eq!(status, 401, "the signature of another body");
    assert_eq!(received(&world).await.len(), 1);
}

#[tokio::test]
async fn endpoints_of_stripe_and_wave_are_there_when_their_secrets_are() {
    let world = World::start().await;
    for url in ["stripe", "wave"] {
        assert_eq!(post(&world, url, &[], "{}").await.0, 404, "{url}");
    }
    let world = World::with(Setup {
        settings: vec![
            ("webhooks.stripe_secret", "whsec_canary".to_owned()),
            ("webhooks.wave_secret", "wave_sn_WHS_canary".to_owned()),
        ],
        ..Setup::default()
    })
    .await;
    for url in ["stripe", "wave"] {
        assert_eq!(post(&world, url, &[], "{}").await.0, 401, "{url}");
        let path = format!("webhooks/?provider={url}");
        let (_, list) = call_as(&world, &world.superuser(), "GET", &path, json!({})).await;
        assert_eq!(
            (&list["results"][0]["scheme"], &list["results"][0]["events"]),
            (&json!(url), &json!(["checkout.session.*"])),
            "{list}"
        );
        assert!(!list.to_string().contains("canary"));
    }
}

/// 1,000 copies of one event under each scheme are one event.
#[tokio::test]
async fn q_a_thousand_copies_are_one_event_under_every_scheme() {
    let world = World::start().await;
    let now = world.service.clock.shared().now().timestamp();
    let body = json!({"id": "evt_1", "type": "checkout.session.completed",
        "data": {"object": {"id": "cs_1", "client_reference_id": "o1"}}})
    .to_string();
    let listed = |separator: &str| {
        let signed = format!("{now}{separator}{body}");
        format!("t={now},v1={}", signature(SECRET, signed.as_bytes()))
    };
    let (stripe, wave) = (listed("."), listed(""));
    let mac = service_auth::tokens::hmac_sha256_plain(
        SECRET.as_bytes(),
        format!("msg_1.{now}.{body}").as_bytes(),
    );
    let (standard, time) = (format!("v1,{}", STANDARD.encode(mac)), now.to_string());
    let cases: [(&str, Vec<(&str, &str)>); 3] = [
        ("stripe", vec![("stripe-signature", &stripe)]),
        ("wave", vec![("wave-signature", &wave)]),
        (
            "standard",
            vec![
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", &time),
                ("webhook-signature", &standard),
            ],
        ),
    ];
    for (number, (scheme, headers)) in cases.iter().enumerate() {
        let url = format!("copies-{scheme}");
        let more = json!({"scheme": scheme, "events": ["checkout.session.*"]});
        register(&world, &url, more).await;
        for _ in 0..25 {
            let copies = (0..40).map(|_| post(&world, &url, headers, &body));
            let answers = join_all(copies).await;
            assert!(answers.iter().all(|(status, _)| *status == 200), "{scheme}");
        }
        assert_eq!(received(&world).await.len(), number + 1, "{scheme}");
    }
}
