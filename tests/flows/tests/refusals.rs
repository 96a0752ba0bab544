//! The wrong variants of the story's steps: each is refused clearly and changes nothing.
#![allow(clippy::unwrap_used)]

use flows::{Stage, forge};
use launcher::demo::{inbox, portal_login, sample_report, upload_report};
use serde_json::json;

/// Step 1: a code that was not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a07_a_wrong_code_is_refused_and_counted() {
    let stage = Stage::shared().await.unwrap();
    let (patient, _) = stage.unpaid_invoice().await.unwrap();
    let right = stage
        .story
        .sessions
        .request_code(&patient.phone)
        .await
        .unwrap();
    let wrong = if right == "000000" {
        "111111"
    } else {
        "000000"
    };
    let try_code = |code: &str| {
        stage
            .story
            .http
            .post("/api/auth/otp/verify/")
            .json(&json!({"phone_number": patient.phone, "code": code}))
            .send()
    };
    for left in [4, 3] {
        let refused = try_code(wrong).await.unwrap().expect(400).unwrap();
        refused
            .is("success", false)
            .unwrap()
            .says(
                "message",
                &format!("Invalid code. {left} attempts remaining"),
            )
            .unwrap();
    }
    let accepted = try_code(&right).await.unwrap().expect(200).unwrap();
    accepted.says("message", "Successfully registered").unwrap();
    let spent = try_code(&right).await.unwrap().expect(400).unwrap();
    spent
        .says("message", "Invalid or expired OTP code")
        .unwrap();
}

/// Step 1: not a phone number.
#[tokio::test(flavor = "multi_thread")]
async fn a07_a_bad_phone_is_refused_under_its_field() {
    let stage = Stage::shared().await.unwrap();
    for phone in ["123", "not-a-phone", "0912"] {
        let refused = stage
            .story
            .http
            .post("/api/auth/otp/request/")
            .json(&json!({"phone_number": phone}))
            .send()
            .await
            .unwrap()
            .expect(400)
            .unwrap();
        let text = refused.text("phone_number.0").unwrap();
        assert!(text.starts_with("Invalid phone number"), "{phone}: {text}");
    }
}

/// Steps 1 and 2: a field that is not there, in the words of each contract.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_field_is_named() {
    let stage = Stage::shared().await.unwrap();
    let http = &stage.story.http;
    http.post("/api/auth/otp/request/")
        .json(&json!({}))
        .send()
        .await
        .unwrap()
        .expect(400)
        .unwrap()
        .says("phone_number.0", "This field is required.")
        .unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    http.post("/api/patients/")
        .bearer(&secretary)
        .json(&json!({"first_name": "Mina"}))
        .send()
        .await
        .unwrap()
        .expect(400)
        .unwrap()
        .says("last_name.0", "Ce champ est obligatoire.")
        .unwrap()
        .says("gender.0", "Ce champ est obligatoire.")
        .unwrap();
    let doctor = stage.token("doctor").await.unwrap();
    http.post("/crazyminer/patient/request/")
        .bearer(&doctor)
        .json(&json!({}))
        .send()
        .await
        .unwrap()
        .expect(400)
        .unwrap()
        .says("error", "شماره موبایل بیمار الزامی است")
        .unwrap();
}

/// Every step: no token, a token that ended, a token that somebody changed.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_or_forged_token_opens_nothing() {
    let stage = Stage::shared().await.unwrap();
    let token = stage.token("doctor").await.unwrap();
    let bad = [
        ("expired", forge::expired(&stage, &token).await.unwrap()),
        (
            "signed by another key",
            forge::foreign_signature(&token).unwrap(),
        ),
        ("changed", forge::changed_payload(&token).unwrap()),
        ("unsigned", forge::without_signature(&token).unwrap()),
    ];
    for path in [
        "/api/auth/me/",
        "/api/patients/",
        "/api/chat/chatrooms/",
        "/api/v1/wallet/",
    ] {
        let http = &stage.story.http;
        http.get(path)
            .bearer(&token)
            .send()
            .await
            .unwrap()
            .expect(200)
            .unwrap();
        http.get(path).send().await.unwrap().expect(401).unwrap();
        for (kind, token) in &bad {
            let answer = http.get(path).bearer(token).send().await.unwrap();
            assert_eq!(
                answer.status,
                401,
                "{path} with a token {kind}: {}",
                answer.short()
            );
        }
    }
}

/// Steps 2, 5, 8, 10: the right person for another room.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_role_is_refused() {
    let stage = Stage::shared().await.unwrap();
    let http = &stage.story.http;
    let accountant = stage.token("accountant").await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let writer = stage.token("writer").await.unwrap();
    http.get("/api/reports/admin/")
        .bearer(&accountant)
        .send()
        .await
        .unwrap()
        .expect(403)
        .unwrap();
    http.post("/api/patients/")
        .bearer(&accountant)
        .json(&json!({"first_name": "A", "last_name": "B", "gender": "F"}))
        .send()
        .await
        .unwrap()
        .expect(403)
        .unwrap();
    http.post("/crazyminer/patient/request/")
        .bearer(&secretary)
        .json(&json!({"patient_phone": "09120000010"}))
        .send()
        .await
        .unwrap()
        .expect(403)
        .unwrap();
    http.post("/crazyminer/patient/soapify-payment/")
        .bearer(&secretary)
        .json(&json!({"amount": 500_000, "soapify_user_id": "x"}))
        .send()
        .await
        .unwrap()
        .expect(403)
        .unwrap();
    http.get("/api/patients/")
        .bearer(&writer)
        .send()
        .await
        .unwrap()
        .expect(403)
        .unwrap();
}

/// Step 6: a patient never reaches another patient's report, and it is not even said to exist.
#[tokio::test(flavor = "multi_thread")]
async fn r16_a_foreign_report_is_not_found() {
    let stage = Stage::shared().await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let (owner, _) = stage.paid_patient().await.unwrap();
    let (other, _) = stage.paid_patient().await.unwrap();
    let bytes = sample_report(&owner.full_name);
    let report = upload_report(&stage.story, &secretary, owner.id, &bytes)
        .await
        .unwrap()
        .expect(201)
        .unwrap()
        .text("id")
        .unwrap();
    let path = format!("/api/reports/download/{report}/");
    let http = &stage.story.http;
    let session = async |patient| {
        let keys = stage.keys_of(patient).await.unwrap();
        let answer = portal_login(&stage.story, &keys)
            .await
            .unwrap()
            .expect(200)
            .unwrap();
        answer.text("session_token").unwrap()
    };
    let theirs = session(&other).await;
    http.get(&path)
        .bearer(&theirs)
        .send()
        .await
        .unwrap()
        .expect(404)
        .unwrap();
    let none = http.get(&path).send().await.unwrap();
    assert!(
        [401, 404].contains(&none.status),
        "without a session: {}",
        none.status
    );
    let listed = http
        .get("/api/reports/patient/")
        .bearer(&theirs)
        .send()
        .await
        .unwrap();
    assert!(!listed.expect(200).unwrap().short().contains(&report));
    let own = session(&owner).await;
    let found = http
        .get(&path)
        .bearer(&own)
        .send()
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(found.body, bytes);
}

/// Step 6: wrong keys are refused in the words of R03.
#[tokio::test(flavor = "multi_thread")]
async fn r03_a_wrong_password_is_refused() {
    let stage = Stage::shared().await.unwrap();
    let (patient, _) = stage.paid_patient().await.unwrap();
    let mut keys = stage.keys_of(&patient).await.unwrap();
    keys.password = "zzzzzzzz".to_owned();
    portal_login(&stage.story, &keys)
        .await
        .unwrap()
        .expect(401)
        .unwrap()
        .says("error", "Clé d'accès ou mot de passe incorrect")
        .unwrap();
}

/// Step 5: no paid invoice, no published report (R08).
#[tokio::test(flavor = "multi_thread")]
async fn r08_a_report_without_an_invoice_of_the_keys_is_not_published() {
    let stage = Stage::shared().await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let patient = launcher::demo::register_patient(&stage.story, &secretary)
        .await
        .unwrap();
    let answer = upload_report(&stage.story, &secretary, patient.id, &sample_report("x"))
        .await
        .unwrap();
    let published = answer.status == 201 && answer.at("is_active") == Some(&json!(true));
    assert!(
        !published,
        "a report without invoice was published: {}",
        answer.short()
    );
    assert!(
        [201, 422].contains(&answer.status),
        "{}: {}",
        answer.status,
        answer.short()
    );
}

/// Step 8: a wrong code counts down; the request of another doctor's patient opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p03_a_wrong_patient_code_is_refused_three_times() {
    let stage = Stage::shared().await.unwrap();
    let doctor = stage.token("doctor").await.unwrap();
    let (patient, _) = stage.unpaid_invoice().await.unwrap();
    let http = &stage.story.http;
    let before = inbox::mark(http, &patient.phone).await.unwrap();
    let request = http
        .post("/crazyminer/patient/request/")
        .bearer(&doctor)
        .json(&json!({"patient_phone": patient.phone}))
        .send()
        .await
        .unwrap()
        .expect(201)
        .unwrap()
        .text("request_id")
        .unwrap();
    let message = inbox::wait_new(
        http,
        &patient.phone,
        &before,
        flows::PATIENCE,
        "the code",
        |it| it.code().is_ok(),
    )
    .await
    .unwrap();
    let right = message.code().unwrap();
    let wrong = if right == "000000" {
        "111111"
    } else {
        "000000"
    };
    let verify = |code: &str| {
        http.post("/crazyminer/patient/verify/")
            .bearer(&doctor)
            .json(&json!({"request_id": request, "otp_code": code}))
            .send()
    };
    for left in [2, 1, 0] {
        verify(wrong)
            .await
            .unwrap()
            .expect(400)
            .unwrap()
            .is("success", false)
            .unwrap()
            .says("error", "کد تایید اشتباه است")
            .unwrap()
            .is("attempts_left", left)
            .unwrap();
    }
    let late = verify(&right).await.unwrap();
    assert!(
        [400, 404].contains(&late.status),
        "the right code after three wrong ones: {}",
        late.short()
    );
}

/// Step 8: data needs a live token of this doctor.
#[tokio::test(flavor = "multi_thread")]
async fn p04_data_without_a_live_access_token_is_refused() {
    let stage = Stage::shared().await.unwrap();
    let doctor = stage.token("doctor").await.unwrap();
    let http = &stage.story.http;
    http.get("/crazyminer/patient/data/")
        .bearer(&doctor)
        .send()
        .await
        .unwrap()
        .expect(401)
        .unwrap()
        .says("error", "توکن دسترسی الزامی است")
        .unwrap();
    http.get("/crazyminer/patient/data/")
        .bearer(&doctor)
        .header("X-Patient-Access-Token", &"a".repeat(64))
        .send()
        .await
        .unwrap()
        .expect(401)
        .unwrap()
        .says("error", "توکن دسترسی نامعتبر یا منقضی شده است")
        .unwrap();
}
