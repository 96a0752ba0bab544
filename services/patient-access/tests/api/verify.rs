use serde_json::json;
use uuid::Uuid;

use crate::support::{CODE, Clinic};

const ROUTE: &str = "/crazyminer/patient/verify/";

#[tokio::test(flavor = "multi_thread")]
async fn p03_the_right_code_gives_a_token_for_a_day() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    let verified = clinic.verify(request, CODE).await;
    assert_eq!(verified.status, 200);
    assert_eq!(verified.body["success"], true);
    assert_eq!(verified.body["message"], "دسترسی با موفقیت تایید شد");
    let token = verified.body["access_token"].as_str().unwrap();
    assert_eq!(token.len(), 64);
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let ends: chrono::DateTime<chrono::Utc> = verified.body["expires_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = (ends - chrono::Utc::now()).num_seconds();
    assert!((86_390..=86_400).contains(&left), "{left}");
    assert!(verified.body["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        clinic.verify(request, CODE).await.status,
        404,
        "already verified"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_code_as_number_or_in_persian_digits_counts() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    let body = json!({"request_id": request, "otp_code": 123_456});
    assert_eq!(
        clinic
            .post(ROUTE, &clinic.doctor_token(), body)
            .await
            .status,
        200
    );
    clinic.pass(61);
    let request = clinic.request().await;
    assert_eq!(clinic.verify(request, "۱۲۳۴۵۶").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_wrong_codes_follow_the_measured_sequence() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    for (left, status) in [
        (2, "pending"),
        (1, "pending"),
        (0, "pending"),
        (0, "rejected"),
    ] {
        let wrong = clinic
            .verify(request, if status == "rejected" { CODE } else { "000000" })
            .await;
        assert_eq!(wrong.status, 400);
        assert_eq!(wrong.body["success"], false);
        assert_eq!(wrong.body["error"], "کد تایید اشتباه است");
        assert_eq!(wrong.body["attempts_left"], left);
        assert_eq!(wrong.body["status"], status);
        assert_eq!(wrong.body["code"], "patient_access.code_wrong");
    }
    let gone = clinic.verify(request, CODE).await;
    assert_eq!(gone.status, 404);
    assert_eq!(
        gone.body["detail"],
        "No PatientAccessRequest matches the given query."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_missing_members_and_foreign_or_unknown_requests() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    for body in [
        json!({}),
        json!({"request_id": request}),
        json!({"otp_code": CODE}),
    ] {
        let refused = clinic.post(ROUTE, &clinic.doctor_token(), body).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["error"], "شناسه درخواست و کد تایید الزامی است");
    }
    for id in [json!(Uuid::now_v7()), json!("not-a-uuid"), json!(12)] {
        let body = json!({"request_id": id, "otp_code": CODE});
        assert_eq!(
            clinic
                .post(ROUTE, &clinic.doctor_token(), body)
                .await
                .status,
            404
        );
    }
    let body = json!({"request_id": request, "otp_code": CODE});
    assert_eq!(
        clinic
            .post(ROUTE, &clinic.token_of(Uuid::now_v7()), body.clone())
            .await
            .status,
        404
    );
    let elsewhere = clinic.token(|claims| {
        claims.sub = clinic.doctor;
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(common_types::ClinicRole::Doctor);
    });
    assert_eq!(
        clinic.post(ROUTE, &elsewhere, body).await.status,
        404,
        "the same doctor in another clinic"
    );
    assert_eq!(
        clinic.verify(request, CODE).await.status,
        200,
        "none of these cost anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_parallel_verifies_make_one_grant() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    let answers =
        futures_util::future::join_all((0..8).map(|_| clinic.verify(request, CODE))).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    let grants = clinic
        .get("/crazyminer/patient/grants/", &clinic.doctor_token())
        .await;
    assert_eq!(grants.body["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_guessing_is_limited_per_doctor() {
    let clinic =
        Clinic::open_with(|setup| setup.set("limits.verifies_per_doctor_per_minute", 5)).await;
    let mut limited = 0;
    for _ in 0..8 {
        if clinic.verify(Uuid::now_v7(), CODE).await.status == 429 {
            limited += 1;
        }
    }
    assert_eq!(limited, 3);
}
