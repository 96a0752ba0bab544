use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::RunQueryDsl;
use reqwest::StatusCode;
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{Clinic, body};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

async fn audited(clinic: &Clinic, action: &str) -> i64 {
    let mut conn = clinic.service.stack.db.get().await.unwrap();
    diesel::sql_query("SELECT count(*) AS n FROM audit_entries WHERE action = $1")
        .bind::<diesel::sql_types::Text, _>(action)
        .get_result::<Count>(&mut conn)
        .await
        .unwrap()
        .n
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_the_lookups_answer_services_and_leave_audit_rows() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    clinic.say(&clinic.patient, room, "x").await;
    let token = clinic.service.issuer.service("patient-access");
    // Every spelling of the number is the same person.
    for phone in [
        "09120000010",
        "%2B989120000010",
        "00989120000010",
        "۰۹۱۲۰۰۰۰۰۱۰",
    ] {
        let found = clinic
            .service
            .get(&format!("/api/users/by-phone/{phone}/"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(found.status(), StatusCode::OK, "{phone}");
        assert_eq!(body(found).await["id"], clinic.patient.number);
    }
    assert_eq!(audited(&clinic, "soapify.user_looked_up").await, 4);
    let latest = format!("/api/chat/summaries/latest/{}/", clinic.patient.number);
    let none = clinic
        .service
        .get(&latest)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let mut conn = clinic.service.stack.db.get().await.unwrap();
    diesel::sql_query(
        "INSERT INTO summaries (id, room_id, patient_user_id, content, summary_text, model, last_message_number, created_by, created_at, updated_at)
         SELECT gen_random_uuid(), id, $1, 'long', 'short', 'm', 1, created_by, now(), now() FROM rooms",
    )
    .bind::<SqlUuid, _>(clinic.patient.id)
    .execute(&mut conn)
    .await
    .unwrap();
    drop(conn);
    let found = body(
        clinic
            .service
            .get(&latest)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (&found["content"], &found["summary_text"]),
        (&json!("long"), &json!("short"))
    );
    assert_eq!(audited(&clinic, "summary.read").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_people_and_nobodies_may_not_look_up() {
    let clinic = Clinic::open().await;
    for path in [
        "/api/users/by-phone/09120000010/",
        "/api/chat/summaries/latest/22/",
    ] {
        let anonymous = clinic.service.get(path).send().await.unwrap();
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
        let doctor = clinic
            .service
            .get(path)
            .bearer_auth(&clinic.doctor.token)
            .send()
            .await
            .unwrap();
        assert_eq!(doctor.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_needs_the_scope() {
    let auth = MockServer::start().await;
    for (key, scopes) in [("tk_reader", vec!["soapify.read"]), ("tk_other", vec!["x"])] {
        Mock::given(method("POST"))
            .and(path("/internal/api-keys/introspect"))
            .and(wiremock::matchers::body_json(json!({ "key": key })))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "active": true, "id": uuid::Uuid::now_v7(), "name": "SOAPify", "scopes": scopes, "organization_id": null
            })))
            .mount(&auth)
            .await;
    }
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "active": false })))
        .with_priority(9)
        .mount(&auth)
        .await;
    let clinic = Clinic::open_with(|setup| setup.set("peers.auth_otp", auth.uri())).await;
    for (key, status) in [("tk_reader", 200), ("tk_other", 403), ("tk_unknown", 401)] {
        let answer = clinic
            .service
            .get("/api/users/by-phone/09120000010/")
            .bearer_auth(key)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{key}");
    }
}
