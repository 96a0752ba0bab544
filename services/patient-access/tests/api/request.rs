use common_types::ClinicRole;
use serde_json::json;
use uuid::Uuid;

use crate::support::{CODE, Clinic, PATIENT_PHONE};

const ROUTE: &str = "/crazyminer/patient/request/";

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_request_sends_the_patient_a_code_that_names_the_doctor() {
    let clinic = Clinic::open().await;
    let made = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["message"], "کد تایید به شماره بیمار ارسال شد");
    assert_eq!(made.body["patient_phone"], PATIENT_PHONE);
    assert_eq!(made.body["already_granted"], false);
    let request: Uuid = made.body["request_id"].as_str().unwrap().parse().unwrap();

    let codes = clinic.codes.lock();
    let sent = &codes.sent[0];
    assert_eq!(sent.purpose, "patient_access");
    assert_eq!(sent.phone.e164(), "+989123456789");
    assert_eq!(sent.variables["doctor_name"], "دکتر رضایی");
    assert_eq!(sent.binding, format!("{}:{request}", clinic.doctor));
    assert_eq!(sent.language, common_types::Language::Fa);
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_the_phone_may_come_in_any_spelling_and_is_echoed() {
    let clinic = Clinic::open().await;
    for (index, spelled) in ["۰۹۱۲۳۴۵۶۷۸۹", "+98 912 345 6789", "00989123456789"]
        .into_iter()
        .enumerate()
    {
        let token = clinic.token_of(Uuid::now_v7());
        let made = clinic
            .post(ROUTE, &token, json!({"patient_phone": spelled}))
            .await;
        assert_eq!(made.status, 201, "{spelled}: {:?}", made.body);
        assert_eq!(made.body["patient_phone"], spelled);
        assert_eq!(
            clinic.codes.lock().sent[index].phone.e164(),
            "+989123456789"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_missing_or_wrong_phone_is_refused_in_the_contracts_words() {
    let clinic = Clinic::open().await;
    for body in [
        json!({}),
        json!({"patient_phone": null}),
        json!({"patient_phone": " "}),
    ] {
        let refused = clinic.post(ROUTE, &clinic.doctor_token(), body).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["error"], "شماره موبایل بیمار الزامی است");
        assert_eq!(refused.body["code"], "patient_access.phone_required");
    }
    let refused = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": "not-a-phone"}),
        )
        .await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body["error"],
        "شماره موبایل باید با 09 شروع شود و 11 رقم باشد"
    );
    assert!(clinic.codes.lock().sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_only_an_approved_doctor_may_ask() {
    let clinic = Clinic::open().await;
    let organization = Some(clinic.organization);
    let others = [
        None,
        Some(ClinicRole::Admin),
        Some(ClinicRole::Secretary),
        Some(ClinicRole::Accountant),
    ];
    for role in others {
        let token = clinic.token(|claims| {
            claims.org = organization;
            claims.clinic_role = role;
        });
        let refused = clinic
            .post(ROUTE, &token, json!({"patient_phone": PATIENT_PHONE}))
            .await;
        assert_eq!(refused.status, 403, "{role:?}");
        assert_eq!(
            refused.body["detail"],
            "You do not have permission to perform this action."
        );
    }
    let nowhere = clinic.token(|claims| claims.clinic_role = Some(ClinicRole::Doctor));
    assert_eq!(
        clinic
            .post(ROUTE, &nowhere, json!({"patient_phone": PATIENT_PHONE}))
            .await
            .status,
        403
    );
    assert!(clinic.codes.lock().sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_when_no_code_goes_out_the_doctor_is_told_and_nothing_is_charged() {
    let clinic = Clinic::open().await;
    clinic.codes.lock().refuse_sending = Some(502);
    for _ in 0..5 {
        let refused = clinic
            .post(
                ROUTE,
                &clinic.doctor_token(),
                json!({"patient_phone": PATIENT_PHONE}),
            )
            .await;
        assert_eq!(refused.status, 500);
        assert_eq!(refused.body["error"], "خطا در ارسال کد تایید");
    }
    clinic.codes.lock().refuse_sending = None;
    clinic.request().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_send_that_nobody_can_tell_of_stays_charged() {
    let clinic = Clinic::open().await;
    clinic.codes.lock().refuse_sending = Some(503);
    let refused = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(refused.status, 500);
    clinic.codes.lock().refuse_sending = None;
    let again = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(again.status, 429, "the cooldown counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_the_cooldown_holds_per_doctor_and_patient() {
    let clinic = Clinic::open().await;
    clinic.request().await;
    let soon = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(soon.status, 429);
    let wait: u64 = soon.header("retry-after").parse().unwrap();
    assert!((55..=60).contains(&wait), "{wait}");
    let other = clinic
        .post(
            ROUTE,
            &clinic.token_of(Uuid::now_v7()),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(
        other.status, 201,
        "another doctor has a cooldown of their own"
    );
    clinic.pass(61);
    clinic.request().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_number_gets_three_codes_an_hour_and_ten_a_day_by_all_doctors_together() {
    let clinic = Clinic::open().await;
    let ask = async |_: i32| {
        let token = clinic.token_of(Uuid::now_v7());
        clinic
            .post(ROUTE, &token, json!({"patient_phone": PATIENT_PHONE}))
            .await
    };
    let mut made = 0;
    for hour in 0..4 {
        for n in 0..3 {
            let answer = ask(n).await;
            if made < 10 {
                assert_eq!(answer.status, 201, "hour {hour}: {:?}", answer.body);
                made += 1;
            } else {
                assert_eq!(answer.status, 429);
            }
        }
        let refused = ask(3).await;
        assert_eq!(refused.status, 429, "hour {hour}");
        assert!(!refused.header("retry-after").is_empty());
        clinic.pass(3601);
    }
    assert_eq!(made, 10);
    clinic.pass(24 * 3600);
    assert_eq!(ask(0).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a7_parallel_requests_cannot_pass_the_budget_together() {
    let clinic = Clinic::open().await;
    let asking = (0..12).map(|_| {
        let token = clinic.token_of(Uuid::now_v7());
        let clinic = &clinic;
        async move {
            clinic
                .post(ROUTE, &token, json!({"patient_phone": PATIENT_PHONE}))
                .await
                .status
                .as_u16()
        }
    });
    let statuses = futures_util::future::join_all(asking).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(clinic.codes.lock().sent.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_several_requests_at_once_and_a_newer_one_supersedes_the_same_doctors() {
    let clinic = Clinic::open().await;
    let first = clinic.request().await;
    let other_doctor = clinic.token_of(Uuid::now_v7());
    let other = clinic
        .post(
            ROUTE,
            &other_doctor,
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    clinic.pass(61);
    let second = clinic.request().await;
    assert_eq!(clinic.verify(first, CODE).await.status, 404, "superseded");
    assert_eq!(clinic.verify(second, CODE).await.status, 200);
    let body = json!({"request_id": other.body["request_id"], "otp_code": CODE});
    let others = clinic
        .post("/crazyminer/patient/verify/", &other_doctor, body)
        .await;
    assert_eq!(
        others.status, 200,
        "another doctor's request cancels nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p02_a_live_grant_is_told_but_never_handed_out_again() {
    let clinic = Clinic::open().await;
    let (token, _) = clinic.grant().await;
    clinic.pass(61);
    let again = clinic
        .post(
            ROUTE,
            &clinic.doctor_token(),
            json!({"patient_phone": PATIENT_PHONE}),
        )
        .await;
    assert_eq!(again.status, 201);
    assert_eq!(again.body["already_granted"], true);
    assert!(!again.body.to_string().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_a_doctor_lists_their_own_requests() {
    let clinic = Clinic::open().await;
    let request = clinic.request().await;
    let list = clinic
        .get("/crazyminer/patient/requests/", &clinic.doctor_token())
        .await;
    assert_eq!(list.status, 200);
    assert_eq!(list.body["count"], 1);
    assert_eq!(list.body["results"][0]["request_id"], request.to_string());
    assert_eq!(list.body["results"][0]["status"], "pending");
    let others = clinic
        .get(
            "/crazyminer/patient/requests/",
            &clinic.token_of(Uuid::now_v7()),
        )
        .await;
    assert_eq!(others.body["count"], 0);
    let none = clinic
        .get(
            "/crazyminer/patient/requests/?status=verified",
            &clinic.doctor_token(),
        )
        .await;
    assert_eq!(none.body["count"], 0);
}
