use common_types::ClinicRole;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Clinic};

const REVOKE: &str = "/crazyminer/patient/revoke/";
const GRANTS: &str = "/crazyminer/patient/grants/";

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_the_patient_revokes_and_the_next_read_is_refused() {
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    assert_eq!(clinic.data(&token).await.status, 200);
    let revoked = clinic
        .post(REVOKE, &clinic.patient_token(), json!({"grant_id": grant}))
        .await;
    assert_eq!(revoked.status, 200, "{:?}", revoked.body);
    assert_eq!(revoked.body["message"], "دسترسی لغو شد");
    assert_eq!(
        clinic.data(&token).await.status,
        401,
        "felt at once, the cache included"
    );
    let again = clinic
        .post(REVOKE, &clinic.patient_token(), json!({"grant_id": grant}))
        .await;
    assert_eq!(
        again.body, revoked.body,
        "ending an ended grant answers the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_a_revocation_during_the_fetch_is_felt() {
    use wiremock::{
        Mock, ResponseTemplate,
        matchers::{method, path},
    };
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    clinic.chat.reset().await;
    clinic.with_patient().await;
    Mock::given(method("GET"))
        .and(path("/api/chat/summaries/latest/7/"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_delay(std::time::Duration::from_millis(800))
                .set_body_json(
                    json!({"id": 1, "summary_text": "s", "created_at": "2026-11-01T10:00:00Z"}),
                ),
        )
        .mount(&clinic.chat)
        .await;
    let revoke = async {
        service_testing::eventually(std::time::Duration::from_secs(5), async || {
            clinic.chat.received_requests().await.unwrap().len() >= 2
        })
        .await;
        clinic
            .post(REVOKE, &clinic.patient_token(), json!({"grant_id": grant}))
            .await
    };
    let (read, revoked) = tokio::join!(clinic.data(&token), revoke);
    assert_eq!(revoked.status, 200);
    assert_eq!(read.status, 401, "{:?}", read.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_nobody_else_revokes_and_foreign_grants_do_not_exist() {
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    let stranger = clinic.token_of(Uuid::now_v7());
    for bearer in [&stranger, &clinic.token(|_| {})] {
        let refused = clinic
            .post(REVOKE, bearer, json!({"grant_id": grant}))
            .await;
        assert!(matches!(refused.status.as_u16(), 404), "{:?}", refused.body);
    }
    let foreign_admin = clinic.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    assert_eq!(
        clinic
            .post(REVOKE, &foreign_admin, json!({"grant_id": grant}))
            .await
            .status,
        404
    );
    assert_eq!(
        clinic
            .post(REVOKE, &clinic.patient_token(), json!({"grant_id": "x"}))
            .await
            .status,
        404
    );
    assert_eq!(
        clinic
            .post(REVOKE, &clinic.patient_token(), json!({}))
            .await
            .status,
        400
    );
    assert_eq!(clinic.data(&token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_the_doctor_and_the_clinics_admin_may_end_a_grant_too() {
    let clinic = Clinic::open().await;
    let (_, first) = clinic.grant().await;
    let ended = clinic
        .post(REVOKE, &clinic.doctor_token(), json!({"grant_id": first}))
        .await;
    assert_eq!(ended.status, 200);
    clinic.pass(61);
    let (_, second) = clinic.grant().await;
    let admin = clinic.token(|claims| {
        claims.org = Some(clinic.organization);
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    assert_eq!(
        clinic
            .post(REVOKE, &admin, json!({"grant_id": second}))
            .await
            .status,
        200
    );
    let list = clinic.get(GRANTS, &clinic.doctor_token()).await;
    let by: Vec<_> = list.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["revoked_by"].clone())
        .collect();
    assert_eq!(by, [json!("admin"), json!("doctor")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_doctor_and_patient_list_the_grants_that_are_theirs() {
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    clinic.data(&token).await;
    for bearer in [clinic.doctor_token(), clinic.patient_token()] {
        let list = clinic.get(GRANTS, &bearer).await;
        assert_eq!(list.status, 200);
        assert_eq!(list.body["count"], 1);
        let item = &list.body["results"][0];
        assert_eq!(item["grant_id"], grant.to_string());
        assert_eq!(item["doctor_name"], "دکتر رضایی");
        assert_eq!(item["is_active"], true);
        assert_eq!(item["view_count"], 1);
        assert!(!list.body.to_string().contains(&token));
    }
    assert_eq!(
        clinic
            .get(GRANTS, &clinic.token_of(Uuid::now_v7()))
            .await
            .body["count"],
        0
    );
    assert_eq!(
        clinic.get(GRANTS, &clinic.token(|_| {})).await.status,
        403,
        "nobody knows whose phone"
    );
    clinic.pass(24 * 3600 + 2);
    let live = clinic
        .get(
            "/crazyminer/patient/grants/?active=true",
            &clinic.doctor_token(),
        )
        .await;
    assert_eq!(live.body["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_the_portal_lists_and_ends_for_its_patient() {
    let clinic = Clinic::open().await;
    let (token, grant) = clinic.grant().await;
    let portal = clinic.service.issuer.service("portal");
    let list = clinic
        .get("/internal/grants?phone=%2B989123456789", &portal)
        .await;
    assert_eq!(
        list.body["results"][0]["grant_id"],
        grant.to_string(),
        "{:?}",
        list.body
    );
    let route = format!("/internal/grants/{grant}/revoke");
    let foreign = clinic
        .post(&route, &portal, json!({"phone": "09120000000"}))
        .await;
    assert_eq!(foreign.status, 404);
    assert_eq!(
        clinic
            .post(
                &route,
                &clinic.doctor_token(),
                json!({"phone": "09123456789"})
            )
            .await
            .status,
        401
    );
    assert_eq!(
        clinic
            .post(&route, &portal, json!({"phone": "09123456789"}))
            .await
            .status,
        200
    );
    assert_eq!(clinic.data(&token).await.status, 401);
    let nobody = clinic
        .service
        .get("/internal/grants?phone=09123456789")
        .send()
        .await
        .unwrap();
    assert_eq!(Answer::of(nobody).await.status, 401);
}
