//! Webhooks out: addresses that are refused, and whose endpoints are whose.

use common_types::ClinicRole;
use serde_json::json;
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::{
    outgoing_support::{
        arrived, call, call_as, count, deliveries, emit, execute, ok, posts, receiver, register,
        settled, tried, world, world_with,
    },
    support::World,
};

#[tokio::test]
async fn q_addresses_inside_are_refused_when_registered_and_when_posted() {
    let world = world().await;
    for (url, word) in [
        ("http://10.0.0.1/", "public internet"),
        (
            "http://169.254.169.254/latest/meta-data/",
            "public internet",
        ),
        ("http://[::ffff:10.0.0.1]/", "public internet"),
        ("http://[fd00:ec2::254]/", "public internet"),
        ("http://0xa000001/", "public internet"),
        ("https://user:pass@example.com/", "user name"),
        ("ftp://example.com/", "https://"),
        ("nowhere", "valid URL"),
    ] {
        let (status, body) = call(
            &world,
            "POST",
            "endpoints/",
            json!({"name": "x", "url": url}),
        )
        .await;
        assert_eq!(status, 400, "{url}: {body}");
        assert!(
            body["url"][0].as_str().unwrap().contains(word),
            "{url}: {body}"
        );
    }
    // An address that was let in before the rules were as they are.
    let server = receiver(ok()).await;
    let made = register(&world, &server.uri(), json!({})).await;
    execute(
        &world,
        "UPDATE outgoing_endpoints SET url = 'http://[::1]:9/'",
    )
    .await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    assert_eq!(
        tried(&world, &made, 1).await["last_error"],
        "forbidden_address"
    );

    let strict = world_with(vec![("outgoing.allowed_networks", String::new())]).await;
    let (status, body) = call(
        &strict,
        "POST",
        "endpoints/",
        json!({"name": "x", "url": server.uri()}),
    )
    .await;
    assert_eq!((status, body["url"].is_array()), (400, true));
}

#[tokio::test]
async fn q_no_redirect_is_followed() {
    let world = world().await;
    let secret_place = receiver(ok()).await;
    let server =
        receiver(ResponseTemplate::new(307).insert_header("location", secret_place.uri())).await;
    let made = register(&world, &server.uri(), json!({})).await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    let row = tried(&world, &made, 1).await;
    assert_eq!(
        (&row["last_error"], &row["last_status"]),
        (&json!("redirect"), &json!(307))
    );
    assert!(posts(&secret_place).await.is_empty());
}

#[tokio::test]
async fn endpoints_belong_to_their_organisation_and_show_no_secret() {
    let world = world().await;
    let server = receiver(ok()).await;
    let made = register(
        &world,
        &server.uri(),
        json!({"secret": "whsec_Y2FuYXJ5LXNlY3JldC1vZi0zMi1ieXRlcy1hdC1sZWFzdA=="}),
    )
    .await;
    let id = made["id"].as_str().unwrap();
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&server, 1).await;
    let message = deliveries(&world, &made).await[0]["message_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (verb, path, body) in [
        ("GET", format!("endpoints/{id}/"), json!({})),
        (
            "PATCH",
            format!("endpoints/{id}/"),
            json!({"is_active": false}),
        ),
        ("DELETE", format!("endpoints/{id}/"), json!({})),
        ("POST", format!("endpoints/{id}/rotate-secret/"), json!({})),
        (
            "POST",
            format!("endpoints/{id}/recover/"),
            json!({"since": "2020-01-01T00:00:00Z"}),
        ),
        (
            "POST",
            format!("endpoints/{id}/send-example/"),
            json!({"event_type": "payment.success"}),
        ),
        ("GET", format!("endpoints/{id}/deliveries/"), json!({})),
        ("GET", format!("endpoints/{id}/statistics/"), json!({})),
        ("GET", format!("messages/{message}/"), json!({})),
        ("GET", format!("messages/{message}/attempts/"), json!({})),
        (
            "POST",
            format!("messages/{message}/resend/"),
            json!({"endpoint_id": id}),
        ),
    ] {
        assert_eq!(
            call_as(&world, &stranger, verb, &path, body.clone())
                .await
                .0,
            404,
            "{verb} {path}"
        );
        let doctor = world.staff(ClinicRole::Doctor);
        assert_eq!(
            call_as(&world, &doctor, verb, &path, body).await.0,
            403,
            "{verb} {path}"
        );
    }
    assert_eq!(
        call_as(&world, &stranger, "GET", "endpoints/", json!({}))
            .await
            .1["count"],
        0
    );
    assert_eq!(
        call_as(&world, &stranger, "GET", "messages/", json!({}))
            .await
            .1["count"],
        0
    );
    let (_, list) = call(&world, "GET", "endpoints/?search=boo", json!({})).await;
    assert_eq!(list["count"], 1);
    assert!(list["results"][0].get("secret").is_none() && !list.to_string().contains("whsec_"));
    assert_secret_rests_nowhere(&world, "Y2FuYXJ5LXNlY3JldC1vZi0zMi1ieXRlcy1hdC1sZWFzdA").await;
    let (status, _) = call(&world, "DELETE", &format!("endpoints/{id}/"), json!({})).await;
    assert_eq!(status, 204);
    assert_eq!(
        count(&world, "SELECT count(*) AS count FROM outgoing_secrets").await,
        0
    );
    let audit =
        "SELECT count(*) AS count FROM audit_entries WHERE action LIKE 'integrations.endpoint_%'";
    assert_eq!(count(&world, audit).await, 2, "created and deleted");
}

async fn assert_secret_rests_nowhere(world: &World, secret: &str) {
    for table in [
        "outgoing_endpoints",
        "outgoing_secrets",
        "outgoing_messages",
        "outgoing_deliveries",
        "outgoing_attempts",
        "outbox_events",
        "audit_entries",
        "integration_logs",
    ] {
        let sql =
            format!("SELECT count(*) AS count FROM {table} t WHERE t::text LIKE '%{secret}%'");
        assert_eq!(count(world, &sql).await, 0, "{table}");
    }
}

#[tokio::test]
async fn requests_are_checked_field_by_field() {
    let world = world_with(vec![(
        "outgoing.endpoints_per_organization",
        "1".to_owned(),
    )])
    .await;
    let url = "http://127.0.0.1:9/";
    for (body, field) in [
        (json!({"url": url}), "name"),
        (json!({"name": " ", "url": url}), "name"),
        (json!({"name": "x"}), "url"),
        (
            json!({"name": "x", "url": url, "event_types": ["payment.nothing"]}),
            "event_types",
        ),
        (
            json!({"name": "x", "url": url, "timeout_seconds": 31}),
            "timeout_seconds",
        ),
        (
            json!({"name": "x", "url": url, "notify_email": "nobody"}),
            "notify_email",
        ),
        (
            json!({"name": "x", "url": url, "secret": "whsec_c2hvcnQ="}),
            "secret",
        ),
    ] {
        let (status, answer) = call(&world, "POST", "endpoints/", body.clone()).await;
        assert!(
            status == 400 && answer[field].is_array(),
            "{body}: {answer}"
        );
    }
    let made = register(&world, url, json!({})).await;
    let (status, _) = call(
        &world,
        "POST",
        "endpoints/",
        json!({"name": "y", "url": url}),
    )
    .await;
    assert_eq!(status, 409, "one is the most here");
    let example = format!("endpoints/{}/send-example/", made["id"].as_str().unwrap());
    assert_eq!(
        call(&world, "POST", &example, json!({"event_type": "x.y"}))
            .await
            .0,
        400
    );
    let (_, types) = call(&world, "GET", "event-types/?page_size=100", json!({})).await;
    assert!(
        types["count"].as_i64().unwrap() >= 30 && types["results"][0]["description"].is_string()
    );
}
