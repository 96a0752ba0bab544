//! What must never be seen.

use common_types::ClinicRole::Secretary;
use serde_json::json;
use service_auth::testing::bad_tokens;
use service_testing::eventually;

use crate::support::{Clinic, DEADLINE};

#[tokio::test]
async fn canary_no_key_or_password_rests_in_clear() {
    let mut clinic = Clinic::open().await;
    clinic.service.start_worker();
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    clinic
        .as_patient(&session, &format!("/api/reports/download/{report}/"))
        .await;
    clinic.try_login(&keys.key, "wrongpas").await.ok(401);
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE state = 'sent'")
            .await
            == 2
    })
    .await;
    let tables = clinic
        .lines("SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
        .await;
    assert!(tables.len() > 20);
    for table in tables {
        for secret in [&keys.key, &keys.password, &session] {
            let found = clinic
                .count(&format!("\"{table}\" t WHERE t::text ILIKE '%{secret}%'"))
                .await;
            assert_eq!(found, 0, "{table} holds a secret in clear");
        }
    }
}

#[tokio::test]
async fn q_a4_forged_tokens_open_nothing() {
    let clinic = Clinic::open().await;
    for (name, token) in bad_tokens(&clinic.service.issuer) {
        let Ok(response) = clinic
            .service
            .get("/api/patients/")
            .header("Authorization", format!("Bearer {token}"))
            .send()
            .await
        else {
            continue;
        };
        let status = response.status().as_u16();
        assert!(matches!(status, 400 | 401 | 403 | 431), "{name}: {status}");
    }
}

#[tokio::test]
async fn no_audit_row_no_data() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    let owner = clinic.service.database.owner().await;
    let mut conn = owner.get().await.unwrap();
    use diesel_async::RunQueryDsl;
    diesel::sql_query("ALTER TABLE audit_entries RENAME TO audit_gone")
        .execute(&mut conn)
        .await
        .unwrap();
    for path in [
        format!("/api/reports/download/{report}/"),
        "/api/patients/portal/profile/".into(),
        "/api/reports/patient/".into(),
    ] {
        let answer = clinic.as_patient(&session, &path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(!answer.body.to_string().contains("Awa"));
    }
    let answer = clinic.get(Secretary, "/api/patients/").await;
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn hostile_text_is_only_text() {
    let clinic = Clinic::open().await;
    let name = "'; DROP TABLE patients; --";
    let body = json!({"first_name": name, "last_name": "<script>", "gender": "F"});
    let patient = clinic.post(Secretary, "/api/patients/", body).await.ok(201);
    assert_eq!(patient["first_name"], name);
    let found = clinic
        .get(Secretary, "/api/patients/?search=%27%3B%20DROP")
        .await
        .ok(200);
    assert_eq!(found["count"], 1);
    assert_eq!(
        clinic
            .get(Secretary, "/api/patients/?search=%25")
            .await
            .ok(200)["count"],
        0
    );
    let body = json!({"first_name": "a\u{0}b", "last_name": "x", "gender": "F"});
    clinic.post(Secretary, "/api/patients/", body).await.ok(400);
}
