//! Kill switches, money ceilings and budgets, and who may touch them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{Answer, App, E164, PHONE, accept_messages};

pub(crate) const SHIELD: &str = "/api/admin/auth-otp/shield/";

pub(crate) async fn operator(app: &App) -> String {
    app.issuer().await.access(|claims| {
        claims.superuser = true;
    })
}

pub(crate) fn phone(n: usize) -> String {
    format!("0912{n:07}")
}

pub(crate) async fn ask(app: &App, phone: &str) -> Answer {
    app.post("/api/auth/otp/request/", json!({"phone_number": phone}))
        .await
}

pub(crate) async fn sent(app: &App) -> usize {
    app.inbox.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn q_a2_the_kill_switch_stops_every_code_and_leaves_an_audit_row() {
    let app = App::start().await;
    let token = operator(&app).await;
    let all = format!("{SHIELD}switches/all/");
    let why = json!({"reason": "SMS pumping", "seconds": 1800});
    app.call(Method::PUT, &all, &token, json!({}))
        .await
        .expect(400);
    let set = app.call(Method::PUT, &all, &token, why).await.expect(200);
    assert_eq!(set["scope"], "all");
    let refused = ask(&app, PHONE).await;
    assert_eq!(refused.header("retry-after"), Some("1800"));
    assert_eq!(refused.expect(503)["retry_after"], 1800);
    let s2 = app
        .post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await;
    assert!(s2.expect(503)["details"].is_string());
    let service = app.service_token().await;
    let consent =
        json!({"purpose": "patient_access", "phone": PHONE, "binding": "d", "language": "fa"});
    app.call(Method::POST, "/internal/codes/", &service, consent)
        .await
        .expect(503);
    assert_eq!(sent(&app).await, 0);
    let shown = app.get(SHIELD, &token).await.expect(200);
    assert_eq!(shown["switches"][0]["reason"], "SMS pumping");
    assert_eq!(shown["codes_this_hour"]["spent"], 0);
    app.call(Method::DELETE, &all, &token, Value::Null)
        .await
        .expect(204);
    app.call(Method::DELETE, &all, &token, Value::Null)
        .await
        .expect(404);
    // No cooldown was taken.
    ask(&app, PHONE).await.expect(200);
    let trail = app
        .get("/api/admin/auth-otp/audit/", &token)
        .await
        .expect(200);
    let actions: Vec<&str> = trail["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["action"].as_str())
        .collect();
    assert!(
        actions.contains(&"auth.codes_stopped") && actions.contains(&"auth.codes_resumed"),
        "{actions:?}"
    );
}

#[tokio::test]
async fn a_switch_of_another_process_is_felt_and_the_setting_stops_too() {
    let app = App::start().await;
    ask(&app, PHONE).await.expect(200);
    let mut conn = app.db.db.get().await.unwrap();
    let row = "INSERT INTO shield_switches (scope, reason, set_at) VALUES ('purpose:login_s4', 'x', now())";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(row), &mut conn)
        .await
        .unwrap();
    service_testing::eventually(std::time::Duration::from_secs(60), async || {
        ask(&app, &phone(1)).await.status == 503
    })
    .await;
    app.post("/api/otp/send/", json!({"mobile_number": phone(2)}))
        .await
        .expect(200);

    let off = App::start_with(&[("SHIELD__SENDING", "false")]).await;
    ask(&off, PHONE).await.expect(503);
}

#[tokio::test]
async fn a_clinics_admin_stops_its_own_codes_only() {
    let app = App::start().await;
    let (own, other) = (Uuid::now_v7(), Uuid::now_v7());
    let admin = app.issuer().await.access(|claims| {
        claims.superuser = false;
        claims.org = Some(own);
        claims.clinic_role = Some(common_types::ClinicRole::Admin);
    });
    let at = |scope: &str| format!("{SHIELD}switches/{scope}/");
    let why = json!({"reason": "too dear"});
    for (scope, status) in [
        ("all".to_owned(), 403),
        ("challenge".to_owned(), 403),
        (format!("organization:{other}"), 404),
        ("nonsense".to_owned(), 404),
        (format!("organization:{own}"), 200),
    ] {
        app.call(Method::PUT, &at(&scope), &admin, why.clone())
            .await
            .expect(status);
    }
    for path in [SHIELD, &format!("{SHIELD}blocks/")] {
        app.get(path, &admin).await.expect(403);
    }
    let secretary = app.issuer().await.access(|claims| {
        claims.superuser = false;
        claims.org = Some(own);
        claims.clinic_role = Some(common_types::ClinicRole::Secretary);
    });
    app.call(
        Method::PUT,
        &at(&format!("organization:{own}")),
        &secretary,
        why,
    )
    .await
    .expect(403);
    let service = app.service_token().await;
    let mut wish = json!({"purpose": "patient_access", "phone": PHONE, "binding": "d", "language": "fa",
        "organization_id": own});
    app.call(Method::POST, "/internal/codes/", &service, wish.clone())
        .await
        .expect(503);
    wish["organization_id"] = json!(other);
    app.call(Method::POST, "/internal/codes/", &service, wish)
        .await
        .expect(201);
}

#[tokio::test]
async fn q_a2_money_ceilings_count_what_the_provider_charges() {
    let app = App::start_with(&[
        ("SHIELD__RIAL_PER_SMS", "100"),
        ("SHIELD__RIAL_PER_HOUR", "1000"),
    ])
    .await;
    let day = chrono::DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap();
    app.clock.set(day.to_utc());
    // The provider says 250 each time: after four the hour's 1,000 Rial are gone.
    app.inbox.reset().await;
    let answer =
        json!({"message_id": Uuid::now_v7(), "state": "sent", "provider": "test", "cost": 250});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&app.inbox)
        .await;
    for n in 0..4 {
        ask(&app, &phone(n)).await.expect(200);
    }
    let refused = ask(&app, &phone(9)).await;
    assert_eq!(refused.header("retry-after"), Some("3600"));
    refused.expect(429);
    assert_eq!(sent(&app).await, 4);
    app.advance(3600);
    ask(&app, &phone(9)).await.expect(200);
}

#[tokio::test]
async fn q_a2_an_organisation_has_its_own_budgets() {
    let app = App::start_with(&[("BUDGETS__ORGANIZATION_PER_HOUR", "2")]).await;
    let service = app.service_token().await;
    let wish = |n: usize, organization: Uuid| {
        json!({"purpose": "patient_access", "phone": phone(n), "binding": "d", "language": "fa",
            "organization_id": organization})
    };
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    for (n, organization, status) in [(1, one, 201), (2, one, 201), (3, one, 429), (3, two, 201)] {
        app.call(
            Method::POST,
            "/internal/codes/",
            &service,
            wish(n, organization),
        )
        .await
        .expect(status);
    }
}

#[tokio::test]
async fn q_a2_address_network_and_block_budgets_refuse_and_charge_nothing() {
    for name in [
        "BUDGETS__IP_PER_HOUR",
        "BUDGETS__NETWORK_PER_HOUR",
        "BUDGETS__PREFIX_PER_HOUR",
        "BUDGETS__GLOBAL_PER_HOUR",
    ] {
        let app = App::start_with(&[(name, "3")]).await;
        for n in 0..3 {
            ask(&app, &phone(n)).await.expect(200);
        }
        for _ in 0..5 {
            let refused = ask(&app, &phone(7)).await;
            let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=3600).contains(&wait), "{name}");
            refused.expect(429);
        }
        assert_eq!(sent(&app).await, 3, "{name}");
        app.advance(3600);
        // Not one of the refused calls took this phone's cooldown or its share of the hour.
        ask(&app, &phone(7)).await.expect(200);
    }
}

#[tokio::test]
async fn a_send_that_every_provider_refused_charges_nothing() {
    let app = App::start_with(&[
        ("BUDGETS__PHONE_PER_HOUR", "1"),
        ("BUDGETS__PREFIX_PER_HOUR", "1"),
        ("BUDGETS__GLOBAL_PER_HOUR", "1"),
        ("SHIELD__RIAL_PER_HOUR", "1500"),
    ])
    .await;
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    for _ in 0..3 {
        ask(&app, PHONE).await.expect(400);
    }
    app.inbox.reset().await;
    accept_messages(&app.inbox).await;
    ask(&app, PHONE).await.expect(200);
    app.advance(61);
    ask(&app, PHONE).await.expect(429);
}

#[tokio::test]
async fn a_refused_resend_leaves_the_earlier_code_alive() {
    let app = App::start().await;
    ask(&app, PHONE).await.expect(200);
    let code = app.code(E164).await;
    app.advance(61);
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    ask(&app, PHONE).await.expect(400);
    let body = json!({"phone_number": PHONE, "code": code});
    app.post("/api/auth/otp/verify/", body).await.expect(200);
}

#[tokio::test]
async fn codes_go_to_allowed_countries_only() {
    let app = App::start().await;
    for number in ["+33612345678", "+14155550100", "0044 7700 900123"] {
        let refused = ask(&app, number).await.expect(400);
        assert!(refused["phone_number"].is_array(), "{refused}");
        let s2 = app
            .post("/api/otp/send/", json!({"mobile_number": number}))
            .await;
        assert!(s2.expect(400)["mobile_number"].is_array());
    }
    assert_eq!(sent(&app).await, 0);
    ask(&app, "+221771234567").await.expect(200);
    let wider = App::start_with(&[("SHIELD__ALLOWED_PREFIXES", "[\"+98\",\"+33\"]")]).await;
    ask(&wider, "+33612345678").await.expect(200);
    ask(&wider, "+221771234567").await.expect(400);
}
