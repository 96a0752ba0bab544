//! `test_views.py`, 12 tests.

use common_types::ClinicRole;
use provider_simulators::sandbox::signature;
use serde_json::{Value, json};

use super::{
    SECRET, as_superuser, credential, kavenegar_alone, otp, paid, post, provider, received,
    register, send, signed, stored,
};
use crate::{
    outgoing_support::{call, call_as},
    support::{World, answer},
};

fn slugs(list: &Value) -> Vec<&str> {
    let results = list["results"].as_array().unwrap().iter();
    results.map(|one| one["slug"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn helssa_list_providers() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Secretary);
    let (status, list) =
        call_as(&world, &token, "GET", "providers/?page_size=100", json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(list["count"], json!(slugs(&list).len()));
    assert!(slugs(&list).contains(&"kavenegar"), "{list}");
    // One provider, one row.
    let (_, one) = call_as(
        &world,
        &token,
        "GET",
        "providers/?search=Kavenegar",
        json!({}),
    )
    .await;
    assert_eq!(slugs(&one), ["kavenegar"]);
}

#[tokio::test]
async fn helssa_retrieve_provider_by_slug() {
    let world = World::start().await;
    let (status, one) = call(&world, "GET", "providers/kavenegar/", json!({})).await;
    assert_eq!(
        (status, &one["slug"], &one["name"]),
        (200, &json!("kavenegar"), &json!("Kavenegar"))
    );
    assert_eq!(
        call(&world, "GET", "providers/nobody/", json!({})).await.0,
        404
    );
}

#[tokio::test]
async fn helssa_filter_providers_by_type() {
    let world = World::start().await;
    let (status, list) = call(
        &world,
        "GET",
        "providers/?type=sms&page_size=100",
        json!({}),
    )
    .await;
    assert_eq!(status, 200);
    let results = list["results"].as_array().unwrap();
    assert!(!results.is_empty() && results.iter().all(|one| one["provider_type"] == "sms"));
    let (_, none) = call(&world, "GET", "providers/?type=analytics", json!({})).await;
    assert_eq!(none["count"], 0);
}

#[tokio::test]
async fn helssa_provider_health_check() {
    let world = kavenegar_alone(|_| {}).await;
    for spelling in ["health-check", "health_check"] {
        let path = format!("providers/kavenegar/{spelling}/");
        let (status, health) = call(&world, "GET", &path, json!({})).await;
        assert_eq!(
            (status, &health["status"]),
            (200, &json!("healthy")),
            "{health}"
        );
    }
}

#[tokio::test]
async fn helssa_view_send_otp() {
    let world = kavenegar_alone(|_| {}).await;
    let (status, sent) = send(&world, otp()).await;
    assert_eq!((status, &sent["success"]), (200, &json!(true)), "{sent}");
    let number = sent["message_id"].as_i64().unwrap();
    let (_, shown) = call(&world, "GET", &format!("sms/{number}/"), json!({})).await;
    assert_eq!(
        shown["message_id"], number,
        "the id that was answered finds it"
    );
}

#[tokio::test]
async fn helssa_view_send_otp_bad_receptor() {
    let world = World::start().await;
    for receptor in ["123", "12345678901", "0912345678a"] {
        let mut body = otp();
        body["receptor"] = json!(receptor);
        let (status, refused) = send(&world, body).await;
        assert!(
            status == 400 && refused["receptor"].is_array(),
            "{receptor}: {refused}"
        );
    }
}

#[tokio::test]
async fn helssa_view_sms_anonymous() {
    let world = World::start().await;
    let request = world
        .service
        .post("/api/integrations/sms/send/")
        .json(&otp());
    assert_eq!(answer(request).await.0, 401);
    assert!(world.inbox("09123456789").is_empty());
}

#[tokio::test]
async fn helssa_view_webhook_success() {
    let world = World::start().await;
    register(&world, "payment", json!({})).await;
    let (status, taken) = signed(&world, "payment", &paid("e1")).await;
    assert_eq!(
        (status, taken),
        (
            200,
            json!({"success": true, "message": "Webhook received successfully"})
        )
    );
    let event = stored(&world).await.remove(0);
    assert_eq!(
        (
            &event["event_type"],
            &event["is_valid"],
            &event["is_processed"]
        ),
        (&json!("payment.success"), &json!(true), &json!(true))
    );
}

#[tokio::test]
async fn helssa_view_webhook_invalid_signature() {
    let world = World::start().await;
    register(&world, "old", json!({"legacy_replies": true})).await;
    let (status, refused) = post(&world, "old", Some("invalid"), &paid("e1")).await;
    assert_eq!(
        (status, refused),
        (200, json!({"success": false, "error": "Invalid signature"})),
        "a sender that needs it is answered as before"
    );
    assert!(received(&world).await.is_empty() && stored(&world).await.is_empty());
    let (_, kept) = call(&world, "GET", "webhook-rejections/", json!({})).await;
    assert_eq!(
        (&kept["count"], &kept["results"][0]["reason"]),
        (&json!(1), &json!("mismatch")),
        "stored as invalid, apart from the events"
    );
}

#[tokio::test]
async fn helssa_view_webhook_unknown_endpoint() {
    let world = World::start().await;
    let body = paid("e1");
    let good = signature(SECRET, body.as_bytes());
    let (status, refused) = post(&world, "nowhere", Some(&good), &body).await;
    assert_eq!((status, &refused["success"]), (404, &json!(false)));
    assert!(refused["error"].as_str().unwrap().contains("not found"));
}

#[tokio::test]
async fn helssa_view_credentials_for_staff_only() {
    let world = World::start().await;
    for role in [
        ClinicRole::Doctor,
        ClinicRole::Secretary,
        ClinicRole::Accountant,
    ] {
        let token = world.staff(role);
        assert_eq!(
            call_as(&world, &token, "GET", "credentials/", json!({}))
                .await
                .0,
            403
        );
    }
    let plain = world.token(|_| {});
    assert_eq!(
        call_as(&world, &plain, "GET", "credentials/", json!({}))
            .await
            .0,
        403
    );
    assert_eq!(call(&world, "GET", "credentials/", json!({})).await.0, 200);
}

#[tokio::test]
async fn helssa_view_rotate_credential() {
    let world = World::start().await;
    let body = credential(&provider(&world, "kavenegar").await);
    let (_, made) = call(&world, "POST", "credentials/", body).await;
    let path = format!("credentials/{}/", made["id"].as_str().unwrap());
    let (status, done) = call(
        &world,
        "POST",
        &format!("{path}rotate/"),
        json!({"new_value": "mnopqrstuvwx"}),
    )
    .await;
    assert_eq!(
        (status, done),
        (
            200,
            json!({"success": true, "message": "Credential rotated successfully"})
        )
    );
    let (_, shown) = call(&world, "GET", &path, json!({})).await;
    assert_eq!(shown["masked_value"], "mnop****uvwx");
    let (_, logs) = as_superuser(&world, "GET", "logs/?action=rotate_credential", json!({})).await;
    let row = &logs["results"][0];
    assert_eq!(logs["count"], 1, "{logs}");
    assert!(row["user"].is_string(), "who did it: {row}");
}
