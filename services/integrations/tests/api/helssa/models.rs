//! `test_models.py`, 13 tests.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{SECRET, as_superuser, credential, paid, provider, register, send, signed, stored};
use crate::{outgoing_support::call, rate_rules::rule, support::World};

fn made_by_hand(slug: &str) -> Value {
    json!({"name": "Test Provider", "slug": slug, "provider_type": "sms"})
}

#[tokio::test]
async fn helssa_provider_creation_and_str() {
    let world = World::start().await;
    let body = made_by_hand("test-provider");
    let (status, made) = as_superuser(&world, "POST", "providers/", body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (
            &made["name"],
            &made["slug"],
            &made["provider_type"],
            &made["status"]
        ),
        (
            &json!("Test Provider"),
            &json!("test-provider"),
            &json!("sms"),
            &json!("active")
        )
    );
    // How it reads elsewhere: by its name.
    let body = credential(&made["id"]);
    let (_, credential) = as_superuser(&world, "POST", "credentials/", body).await;
    assert_eq!(credential["provider_name"], "Test Provider");
}

#[tokio::test]
async fn helssa_provider_status_values() {
    let world = World::start().await;
    for status in ["active", "inactive", "maintenance"] {
        let mut body = made_by_hand(&format!("p-{status}"));
        body["name"] = json!(format!("Provider {status}"));
        body["status"] = json!(status);
        let (answered, made) = as_superuser(&world, "POST", "providers/", body).await;
        assert_eq!((answered, &made["status"]), (201, &json!(status)), "{made}");
        let (_, list) = call(
            &world,
            "GET",
            &format!("providers/?status={status}"),
            json!({}),
        )
        .await;
        let slugs: Vec<&Value> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["slug"])
            .collect();
        assert!(slugs.contains(&&made["slug"]), "{slugs:?}");
    }
    let mut body = made_by_hand("asleep");
    body["status"] = json!("asleep");
    let (status, refused) = as_superuser(&world, "POST", "providers/", body).await;
    assert!(status == 400 && refused["status"].is_array(), "{refused}");
}

#[tokio::test]
async fn helssa_credential_creation() {
    let world = World::start().await;
    let body = credential(&provider(&world, "kavenegar").await);
    let (status, made) = call(&world, "POST", "credentials/", body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (
            &made["key_name"],
            &made["environment"],
            &made["is_active"],
            &made["is_encrypted"]
        ),
        (
            &json!("api_key"),
            &json!("staging"),
            &json!(true),
            &json!(true)
        )
    );
    assert_eq!(made["masked_value"], "abcd****ijkl");
    assert!(made.get("key_value").is_none() && made["expires_at"].is_null());
}

#[tokio::test]
async fn helssa_credential_validity_false_when_inactive_or_expired() {
    let world = World::start().await;
    let mut body = credential(&provider(&world, "kavenegar").await);
    body["expires_at"] = json!(world.service.clock.shared().now() + TimeDelta::days(1));
    let (_, made) = call(&world, "POST", "credentials/", body).await;
    assert_eq!(made["is_valid"], true, "{made}");
    let path = format!("credentials/{}/", made["id"].as_str().unwrap());
    let (_, off) = call(&world, "PATCH", &path, json!({"is_active": false})).await;
    assert_eq!(off["is_valid"], false);
    let (_, on) = call(&world, "PATCH", &path, json!({"is_active": true})).await;
    assert_eq!(on["is_valid"], true);
    world.service.clock.advance(TimeDelta::days(1));
    assert_eq!(
        call(&world, "GET", &path, json!({})).await.1["is_valid"],
        false
    );
}

#[tokio::test]
async fn helssa_credential_unique_provider_key_environment() {
    let world = World::start().await;
    let body = credential(&provider(&world, "kavenegar").await);
    assert_eq!(
        call(&world, "POST", "credentials/", body.clone()).await.0,
        201
    );
    let (status, twice) = call(&world, "POST", "credentials/", body.clone()).await;
    assert!(
        status == 400 && twice["non_field_errors"].is_array(),
        "{twice}"
    );
    for (field, value) in [
        ("key_name", json!("secret_key")),
        ("environment", json!("production")),
        ("provider", provider(&world, "sandbox").await),
    ] {
        let mut other = body.clone();
        other[field] = value;
        let (status, made) = call(&world, "POST", "credentials/", other).await;
        assert_eq!(status, 201, "another {field} is another credential: {made}");
    }
}

#[tokio::test]
async fn helssa_log_creation() {
    let world = World::start().await;
    let (status, sent) = send(&world, json!({"receptor": "09123456789", "message": "سلام"})).await;
    assert_eq!(status, 200, "{sent}");
    let (_, list) = call(&world, "GET", "logs/?provider=development-inbox", json!({})).await;
    let row = &list["results"][0];
    assert_eq!(
        (&list["count"], &row["log_level"], &row["provider_name"]),
        (&json!(1), &json!("info"), &json!("Development inbox (SMS)")),
        "{list}"
    );
    assert!(
        row["action"].as_str().unwrap().starts_with("send")
            && row["duration_ms"].is_number()
            && row["created_at"].is_string()
    );
}

#[tokio::test]
async fn helssa_log_five_levels() {
    let world = World::start().await;
    for level in ["debug", "info", "warning", "error", "critical"] {
        crate::outgoing_support::execute(
            &world,
            &format!(
                "INSERT INTO integration_logs (id, organization_id, log_level, service_name, action, created_at) \
                 VALUES (gen_random_uuid(), '{}', '{level}', 'helssa', 'levels', now())",
                world.organization
            ),
        )
        .await;
    }
    for level in ["debug", "info", "warning", "error", "critical"] {
        let path = format!("logs/?action=levels&level={level}");
        let (_, list) = call(&world, "GET", &path, json!({})).await;
        assert_eq!(
            (&list["count"], &list["results"][0]["log_level"]),
            (&json!(1), &json!(level)),
            "{list}"
        );
    }
    let sixth = "INSERT INTO integration_logs (id, log_level, service_name, action, created_at) \
                 VALUES (gen_random_uuid(), 'fatal', 'helssa', 'levels', now())";
    use diesel_async::RunQueryDsl;
    let mut conn = world.service.database.db.get().await.unwrap();
    assert!(diesel::sql_query(sixth).execute(&mut conn).await.is_err());
}

#[tokio::test]
async fn helssa_webhook_creation_active_by_default() {
    let world = World::start().await;
    let made = register(&world, "sms/receipts", json!({})).await;
    assert_eq!(
        (
            &made["is_active"],
            &made["retry_count"],
            &made["timeout_seconds"]
        ),
        (&json!(true), &json!(3), &json!(30))
    );
    for key in [
        "id",
        "provider",
        "provider_name",
        "name",
        "endpoint_url",
        "events",
        "events_count",
        "pending_events",
        "created_at",
        "updated_at",
    ] {
        assert!(made.get(key).is_some(), "{key}");
    }
    assert!(made.get("secret_key").is_none() && !made.to_string().contains(SECRET));
}

#[tokio::test]
async fn helssa_webhook_endpoint_url_unique() {
    let world = World::start().await;
    let made = register(&world, "sms/receipts", json!({})).await;
    let body = json!({"provider": made["provider"], "name": "x", "endpoint_url": "sms/receipts", "secret_key": "y"});
    let (status, twice) = call(&world, "POST", "webhooks/", body).await;
    assert_eq!(status, 400);
    let words = twice["endpoint_url"][0].as_str().unwrap();
    assert!(words.contains("already exists"), "{words}");
}

#[tokio::test]
async fn helssa_event_defaults_valid_unprocessed() {
    let world = World::start().await;
    register(&world, "later", json!({"events": []})).await;
    signed(&world, "later", &paid("e1")).await;
    let event = stored(&world).await.remove(0);
    assert_eq!(
        (
            &event["is_valid"],
            &event["is_processed"],
            &event["retry_count"]
        ),
        (&json!(true), &json!(false), &json!(0))
    );
    assert!(event["processed_at"].is_null() && event["received_at"].is_string());
}

#[tokio::test]
async fn helssa_event_processing() {
    let world = World::start().await;
    let made = register(&world, "later", json!({"events": []})).await;
    signed(&world, "later", &paid("e1")).await;
    let event = stored(&world).await.remove(0);
    let path = format!("webhooks/{}/", made["id"].as_str().unwrap());
    call(&world, "PATCH", &path, json!({"events": ["payment.*"]})).await;
    let retry = format!("webhook-events/{}/retry/", event["id"].as_str().unwrap());
    let (status, done) = call(&world, "POST", &retry, json!({})).await;
    assert_eq!(
        (status, done),
        (
            200,
            json!({"success": true, "message": "Retry completed", "retry_count": 1})
        )
    );
    let event = stored(&world).await.remove(0);
    assert!(event["is_processed"] == true && event["processed_at"].is_string());
    let (status, again) = call(&world, "POST", &retry, json!({})).await;
    assert_eq!(
        (status, &again["error"]),
        (400, &json!("Event already processed"))
    );
}

#[tokio::test]
async fn helssa_rule_defaults_active() {
    let world = World::start().await;
    let mut body = rule("send_*", 100, 3_600, "user");
    body.as_object_mut().unwrap().remove("scope");
    let (status, made) = as_superuser(&world, "POST", "rate-limits/", body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["is_active"], &made["scope"], &made["max_requests"]),
        (&json!(true), &json!("user"), &json!(100))
    );
}

#[tokio::test]
async fn helssa_rule_text() {
    let world = World::start().await;
    let (_, provider) =
        as_superuser(&world, "POST", "providers/", made_by_hand("test-provider")).await;
    let mut body = rule("send_*", 100, 3_600, "user");
    body["provider"] = provider["id"].clone();
    let (_, made) = as_superuser(&world, "POST", "rate-limits/", body).await;
    assert_eq!(
        (&made["display"], &made["rate_description"]),
        (
            &json!("Test Provider - SMS Rate Limit (100/3600s)"),
            &json!("100 درخواست در 3600 ثانیه")
        )
    );
}
