//! `webhooks/tests`, 6 of 8 tests: signatures and the receiving view.

use provider_simulators::sandbox::signature;
use serde_json::json;

use super::{SECRET, paid, post, received, register, signed, stored};
use crate::support::World;

#[tokio::test]
async fn helssa_signature_valid() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    // The raw bytes are signed: another spelling of the same JSON under its own signature is as good.
    for (number, body) in [paid("e1"), paid("e2").replace(':', " : ")]
        .iter()
        .enumerate()
    {
        assert_eq!(signed(&world, "s", body).await.0, 200, "{body}");
        assert_eq!(received(&world).await.len(), number + 1);
    }
}

#[tokio::test]
async fn helssa_signature_invalid() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    let body = paid("e1");
    let good = signature(SECRET, body.as_bytes());
    let (status, _) = post(&world, "s", Some(&good), &body.replace("p1", "p2")).await;
    assert_eq!(status, 401, "the signature of another body");
    assert_eq!(
        post(&world, "s", Some(&good.to_uppercase()), &body).await.0,
        401
    );
    assert!(received(&world).await.is_empty());
}

#[tokio::test]
async fn helssa_signature_missing() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    assert_eq!(post(&world, "s", None, &paid("e1")).await.0, 401);
    assert_eq!(post(&world, "s", Some(""), &paid("e1")).await.0, 401);
    assert!(received(&world).await.is_empty());
}

#[tokio::test]
async fn helssa_webhook_view_bad_signature() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    let (status, refused) = post(&world, "s", Some("00"), &paid("e1")).await;
    assert_eq!(
        (status, refused),
        (401, json!({"success": false, "error": "Invalid signature"}))
    );
    assert!(
        stored(&world).await.is_empty(),
        "what is not authentic is no event"
    );
}

#[tokio::test]
async fn helssa_webhook_view_success_is_processed() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    let (status, taken) = signed(&world, "s", &paid("e1")).await;
    assert_eq!((status, &taken["success"]), (200, &json!(true)));
    assert_eq!(stored(&world).await[0]["is_processed"], true);
    let events = received(&world).await;
    assert_eq!(events[0]["provider_reference"], "p1");
}

#[tokio::test]
async fn helssa_webhook_view_without_payload() {
    let world = World::start().await;
    register(&world, "s", json!({})).await;
    for body in ["", "{"] {
        let (status, refused) = signed(&world, "s", body).await;
        assert_eq!(status, 400, "{refused}");
        assert!(
            refused["detail"]
                .as_str()
                .unwrap()
                .starts_with("JSON parse error")
        );
    }
    assert!(received(&world).await.is_empty());
}
