use chrono::{TimeDelta, Utc};
use common_types::{ClinicRole, Clock};
use service_auth::{RevocationSource, client_ip, testing::bad_tokens};
use service_testing::{ServiceSetup, TestService};
use uuid::Uuid;

use crate::fixture::Fixture;

async fn status(service: &TestService<Fixture>, path: &str, token: &str) -> u16 {
    let request = service
        .get(path)
        .header("authorization", format!("Bearer {token}"));
    // A head too large to be read may end the connection before the answer.
    request
        .send()
        .await
        .map_or(431, |response| response.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_each_kind_of_route_takes_its_kind_of_token_only() {
    let service = TestService::<Fixture>::start().await;
    let person = service.issuer.access(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Doctor);
    });
    let machine = service.issuer.service("portal");
    let patient = service.issuer.portal(|_| {});
    let table = [
        ("/person", [200, 401, 401]),
        ("/doctor", [200, 401, 401]),
        ("/internal/ping", [401, 200, 401]),
        ("/machine", [401, 200, 401]),
        ("/patient", [401, 401, 200]),
    ];
    for (path, expected) in table {
        for (token, expected) in [&person, &machine, &patient].into_iter().zip(expected) {
            assert_eq!(status(&service, path, token).await, expected, "{path}");
        }
    }
    for (name, token) in bad_tokens(&service.issuer) {
        let answer = status(&service, "/person", &token).await;
        assert!(matches!(answer, 400 | 401 | 431), "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refusals_are_in_the_words_of_todays_clients() {
    let service = TestService::<Fixture>::start().await;
    let none = service.get("/person").send().await.unwrap();
    assert_eq!(none.status(), 401);
    assert_eq!(none.headers()["www-authenticate"], "Bearer realm=\"api\"");
    let body: serde_json::Value = none.json().await.unwrap();
    assert_eq!(
        body["detail"],
        "Authentication credentials were not provided."
    );
    assert_eq!(body["code"], "auth.credentials_missing");
    let bad = service
        .get("/person")
        .bearer_auth("x.y.z")
        .send()
        .await
        .unwrap();
    assert_eq!(bad.headers()["x-error-code"], "auth.token_invalid");
    let body: serde_json::Value = bad.json().await.unwrap();
    assert_eq!(body["code"], "token_not_valid");
    assert_eq!(body["messages"][0]["token_class"], "AccessToken");
    let no_doctor = service.issuer.access(|_| {});
    let body: serde_json::Value = service
        .get("/doctor")
        .bearer_auth(no_doctor)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        body["detail"],
        "You do not have permission to perform this action."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a6_sensitive_routes_refuse_while_revocations_are_unknown() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    assert_eq!(status(&service, "/sensitive", &token).await, 200);
    let silent = RevocationSource::from_fn("auth-otp", |_| async {
        Err(service_auth::InternalError::Connect)
    });
    let _polling = service.stack.verifier.start_with(vec![silent]);
    assert_eq!(status(&service, "/sensitive", &token).await, 503);
    assert_eq!(
        status(&service, "/person", &token).await,
        200,
        "others go on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g1_only_the_gateways_word_counts_for_the_clients_address() {
    let service = TestService::<Fixture>::start().await;
    let ask = async |name: &str, value: &str| {
        service
            .get("/ip")
            .header(name, value)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    for name in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-tabib-client-ip",
    ] {
        assert_eq!(ask(name, "203.0.113.9").await, "127.0.0.1", "{name}");
    }
    let key = service.stack.client_ip_key.expose().as_bytes().to_vec();
    let address = "203.0.113.9".parse().unwrap();
    let vouched = client_ip::sign(&key, address, service.clock.now());
    assert_eq!(ask(client_ip::HEADER, &vouched).await, "203.0.113.9");
    let old = client_ip::sign(&key, address, service.clock.now() - TimeDelta::minutes(5));
    assert_eq!(ask(client_ip::HEADER, &old).await, "127.0.0.1");
    let foreign = client_ip::sign(b"another key", address, Utc::now());
    assert_eq!(ask(client_ip::HEADER, &foreign).await, "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_session_needs_our_origin_for_unsafe_methods() {
    let service: TestService<Fixture> = ServiceSetup::new().start().await;
    let token = service.issuer.portal(|_| {});
    let ask = async |origin: Option<&str>| {
        let request = service
            .post("/patient")
            .header("cookie", format!("a=b; tabib_portal={token}"));
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Some("http://tabib.test")).await, 200);
    for origin in [
        None,
        Some("null"),
        Some("http://evil.test"),
        Some("https://tabib.test"),
        Some("http://localhost:5173"),
    ] {
        assert_eq!(ask(origin).await, 403, "{origin:?}");
    }
    let read = service
        .get("/patient")
        .header("cookie", format!("tabib_portal={token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), 200);
    let twice = format!("tabib_portal={token}; tabib_portal={token}");
    assert_eq!(
        service
            .get("/patient")
            .header("cookie", twice)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
}
