use common_types::Clock;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use serde_json::json;
use uuid::Uuid;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{Answer, Clinic, TOKEN_HEADER};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(clinic: &Clinic, sql: &str) -> i64 {
    let mut conn = clinic.service.database.db.get().await.unwrap();
    let row: Count = diesel::sql_query(format!("SELECT count(*) AS count FROM {sql}"))
        .get_result(&mut conn)
        .await
        .unwrap();
    row.count
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_the_doctor_sees_the_latest_summary_fresh_and_then_cached() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    let fresh = clinic.data(&token).await;
    assert_eq!(fresh.status, 200, "{:?}", fresh.body);
    let expected = json!({
        "patient_phone": "09123456789",
        "patient_name": "مریم احمدی",
        "latest_summary": {
            "id": 3, "content": "متن کامل", "summary_text": "خلاصهٔ نخست",
            "created_at": "2026-11-01T10:00:00Z", "updated_at": "2026-11-01T10:00:00Z",
        },
        "has_summary": true,
        "summary_date": "2026-11-01T10:00:00Z",
        "from_cache": false,
    });
    assert_eq!(fresh.body, expected);
    clinic.chat.reset().await;
    let cached = clinic.data(&token).await;
    let mut expected = expected;
    expected["from_cache"] = json!(true);
    assert_eq!(cached.body, expected, "the same members, from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_no_token_or_no_live_grant_is_401_in_the_contracts_words() {
    let clinic = Clinic::open().await;
    let missing = clinic
        .get("/crazyminer/patient/data/", &clinic.doctor_token())
        .await;
    assert_eq!(missing.status, 401);
    assert_eq!(missing.body["error"], "توکن دسترسی الزامی است");
    assert_eq!(missing.header("www-authenticate"), "");
    for token in ["x", &"a".repeat(64), "' OR 1=1 --", &"a".repeat(5000)] {
        let refused = clinic.data(token).await;
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.body["error"],
            "توکن دسترسی نامعتبر یا منقضی شده است"
        );
        assert_eq!(refused.header("www-authenticate"), "");
    }
    assert_eq!(
        count(&clinic, "audit_entries WHERE outcome = 'denied'").await,
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_a_patient_without_a_summary_is_null_and_not_an_error() {
    let clinic = Clinic::open().await;
    clinic.chat.reset().await;
    clinic.with_patient().await;
    let (token, _) = clinic.grant().await;
    for from_cache in [false, true] {
        let data = clinic.data(&token).await;
        assert_eq!(data.status, 200);
        assert_eq!(data.body["latest_summary"], json!(null));
        assert_eq!(data.body["has_summary"], false);
        assert_eq!(data.body["summary_date"], json!(null));
        assert_eq!(data.body["from_cache"], from_cache);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_a_refusal_of_the_source_is_404_with_its_status() {
    let clinic = Clinic::open().await;
    clinic.chat.reset().await;
    Mock::given(method("GET"))
        .and(path("/api/users/by-phone/09123456789/"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&clinic.chat)
        .await;
    let (token, _) = clinic.grant().await;
    let refused = clinic.data(&token).await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.body["error"], "خطا در دریافت اطلاعات کاربر: 403");
    assert_eq!(count(&clinic, "cached_summaries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_a_source_that_is_away_is_502_and_can_be_asked_again() {
    let clinic = Clinic::open_with(|setup| setup.set("peers.chat", "http://127.0.0.1:9")).await;
    let (token, _) = clinic.grant().await;
    let away = clinic.data(&token).await;
    assert_eq!(away.status, 502);
    assert_eq!(away.body["error"], "خطای سیستمی در دریافت اطلاعات");
    assert!(!away.body.to_string().contains("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p06_the_cache_is_sealed_lasts_an_hour_and_never_outlives_the_grant() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    clinic.data(&token).await;
    assert_eq!(
        count(
            &clinic,
            "cached_summaries WHERE sealed LIKE 'v1.k1.%' AND sealed NOT LIKE '%summary%'"
        )
        .await,
        1
    );
    clinic.with_summary("خلاصهٔ دوم").await;
    clinic.pass(3_590);
    assert_eq!(
        clinic.data(&token).await.body["latest_summary"]["summary_text"],
        "خلاصهٔ نخست"
    );
    clinic.pass(20);
    let again = clinic.data(&token).await;
    assert_eq!(again.body["latest_summary"]["summary_text"], "خلاصهٔ دوم");
    assert_eq!(again.body["from_cache"], false);
    assert_eq!(count(&clinic, "cached_summaries c JOIN grants g ON g.id = c.grant_id WHERE c.expires_at > g.expires_at").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_a_grant_is_bound_to_doctor_and_clinic() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    let other_doctor = clinic.token_of(Uuid::now_v7());
    assert_eq!(clinic.data_as(&other_doctor, &token).await.status, 401);
    let other_clinic = clinic.token(|claims| {
        claims.sub = clinic.doctor;
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(common_types::ClinicRole::Doctor);
    });
    assert_eq!(clinic.data_as(&other_clinic, &token).await.status, 401);
    let no_doctor_any_more = clinic.token(|claims| {
        claims.sub = clinic.doctor;
        claims.org = Some(clinic.organization);
    });
    assert_eq!(
        clinic.data_as(&no_doctor_any_more, &token).await.status,
        403
    );
    assert_eq!(clinic.data(&token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_a_grant_dies_after_24_hours() {
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    let shift = async |seconds: i64| {
        let ends = (clinic.service.clock.now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
        let mut conn = clinic.service.database.owner().await.get().await.unwrap();
        diesel::sql_query(format!(
            "UPDATE grants SET granted_at = timestamptz '{ends}' - interval '24 hours', expires_at = '{ends}' \
             WHERE id = '{grant}'"
        ))
        .execute(&mut conn)
        .await
        .unwrap();
    };
    shift(2).await;
    assert_eq!(clinic.data(&token).await.status, 200, "at 23:59:58");
    shift(-1).await;
    assert_eq!(clinic.data(&token).await.status, 401, "at 24:00:01");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_without_an_audit_row_nothing_is_shown() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    let owner = clinic.service.database.owner().await;
    let mut conn = owner.get().await.unwrap();
    diesel::sql_query("ALTER TABLE audit_entries RENAME TO away")
        .execute(&mut conn)
        .await
        .unwrap();
    let refused = clinic.data(&token).await;
    assert!(refused.status.is_server_error());
    assert!(!refused.body.to_string().contains("summary"));
    diesel::sql_query("ALTER TABLE away RENAME TO audit_entries")
        .execute(&mut conn)
        .await
        .unwrap();
    assert_eq!(clinic.data(&token).await.status, 200);
    assert_eq!(
        count(
            &clinic,
            "audit_entries WHERE action = 'patient_data.viewed' AND outcome = 'success'"
        )
        .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_the_source_is_asked_with_our_service_token_and_a_foreign_one_with_its_key() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    clinic.data(&token).await;
    let asked = clinic.chat.received_requests().await.unwrap();
    let sent = asked[0]
        .headers
        .get("authorization")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(sent.starts_with("Bearer ey"), "a service token");

    let clinic = Clinic::open_with(|setup| setup.set("soapify.api_key", "partner-key")).await;
    let (token, _) = clinic.grant().await;
    clinic.data(&token).await;
    let asked = clinic.chat.received_requests().await.unwrap();
    assert_eq!(
        asked[0].headers.get("authorization").unwrap(),
        "Bearer partner-key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_reading_is_limited_per_doctor() {
    let clinic = Clinic::open_with(|setup| setup.set("limits.reads_per_doctor_per_hour", 3)).await;
    let (token, _) = clinic.grant().await;
    for _ in 0..3 {
        assert_eq!(clinic.data(&token).await.status, 200);
    }
    let limited = clinic.data(&token).await;
    assert_eq!(limited.status, 429);
    assert!(!limited.header("retry-after").is_empty());
    let request = clinic
        .service
        .get("/crazyminer/patient/data")
        .bearer_auth(clinic.token_of(Uuid::now_v7()));
    let other = Answer::of(request.header(TOKEN_HEADER, "x").send().await.unwrap()).await;
    assert_eq!(
        other.status, 401,
        "another doctor has a budget of their own; no final slash needed"
    );
}
