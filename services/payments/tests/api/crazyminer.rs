use common_types::ClinicRole;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Clinic, members};

const SOAPIFY: &str = "/crazyminer/patient/soapify-payment/";
const CREATE: &str = "/crazyminer/payment/create/";

#[tokio::test(flavor = "multi_thread")]
async fn y01_a_doctor_pays_for_a_soapify_user() {
    let clinic = Clinic::new().await;
    let body = json!({
        "amount": 500_000, "soapify_user_id": "user-id-in-soapify", "description": "پرداخت هزینه ویزیت",
    });
    let answer = clinic.post(SOAPIFY, &clinic.doctor_token(), &body).await;
    assert_eq!(answer.status(), 201);
    let paid: Value = answer.json().await.unwrap();
    assert_eq!(
        members(&paid),
        [
            "amount",
            "currency",
            "payment_url",
            "soapify_user_id",
            "status",
            "transaction_id"
        ]
    );
    assert_eq!(paid["amount"], 500_000);
    assert_eq!(paid["soapify_user_id"], "user-id-in-soapify");
    assert_eq!(paid["status"], "processing");
    Uuid::parse_str(paid["transaction_id"].as_str().unwrap()).unwrap();

    let location = clinic
        .decide(paid["payment_url"].as_str().unwrap(), "approve")
        .await;
    assert_eq!(clinic.come_back(&location).await.status(), 200);
    assert_eq!(
        clinic
            .status_of(paid["transaction_id"].as_str().unwrap())
            .await,
        "completed"
    );
    clinic.books_are_right().await;
    let event = &clinic.events_named("payments.payment_settled").await[0];
    assert_eq!(
        (&event["purpose"], &event["amount"]),
        (&json!("soapify"), &json!(500_000))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn y02_soapifys_money_makes_no_user_and_never_credits_the_doctor() {
    let clinic = Clinic::new().await;
    let body = json!({ "amount": 500_000, "soapify_user_id": "user-id-in-soapify" });
    let answer = clinic.post(SOAPIFY, &clinic.doctor_token(), &body).await;
    let paid: Value = answer.json().await.unwrap();
    let page = paid["payment_url"].as_str().unwrap();
    let location = clinic.decide(page, "approve").await;
    clinic.come_back(&location).await;
    assert_eq!(clinic.balance("soapify_payable").await, 500_000);
    assert_eq!(clinic.balance("wallet").await, 0);
    let made_up =
        "SELECT count(*) FROM people WHERE full_name LIKE '%soapify%' OR phone LIKE '%soapify%'";
    assert_eq!(clinic.number(made_up).await, 0);
    let flagged = "SELECT count(*) FROM payments WHERE purpose = 'soapify' \
        AND soapify_user_id = 'user-id-in-soapify'";
    assert_eq!(clinic.number(flagged).await, 1);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_started_payment_leaves_one_audit_row() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({ "amount": 500_000, "soapify_user_id": "u-1" });
    let first: Value = clinic
        .post(SOAPIFY, &token, &body)
        .await
        .json()
        .await
        .unwrap();
    // The repeat within thirty seconds is the same payment.
    let repeat: Value = clinic
        .post(SOAPIFY, &token, &body)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(first["transaction_id"], repeat["transaction_id"]);
    let rows = clinic.audit_rows("payment.started").await;
    assert_eq!(rows.len(), 1);
    let (actor, subjects, ip) = &rows[0];
    assert_eq!(*actor, clinic.doctor.to_string());
    assert_eq!(subjects[0], first["transaction_id"].as_str().unwrap());
    assert_eq!(ip.as_deref(), Some("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn y01_wrong_variants_answer_in_the_contracts_words() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let required = "مبلغ و شناسه کاربر SOAPify الزامی است";
    for body in [
        json!({}),
        json!({"amount": 5000}),
        json!({"soapify_user_id": "u"}),
        json!({"amount": 5000, "soapify_user_id": "  "}),
        json!({"amount": null, "soapify_user_id": "u"}),
    ] {
        let answer = clinic.post(SOAPIFY, &token, &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], required);
    }
    for amount in [
        json!(-1),
        json!(0),
        json!("1.0"),
        json!(1.5),
        json!(i64::MAX),
        json!("NaN"),
    ] {
        let body = json!({"amount": amount, "soapify_user_id": "u"});
        let answer = clinic.post(SOAPIFY, &token, &body).await;
        assert_eq!(answer.status(), 400, "{amount}");
        let refusal: Value = answer.json().await.unwrap();
        assert_eq!(refusal["error"], "داده‌های نامعتبر");
        assert!(refusal["details"]["amount"][0].is_string());
    }
    // The minimum of wallet charges does not apply here.
    let small = clinic
        .post(
            SOAPIFY,
            &token,
            &json!({"amount": 1, "soapify_user_id": "u"}),
        )
        .await;
    assert_eq!(small.status(), 201);

    let body = json!({"amount": 5000, "soapify_user_id": "u"});
    let secretary = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    assert_eq!(clinic.post(SOAPIFY, &secretary, &body).await.status(), 403);
    assert_eq!(clinic.post(SOAPIFY, "forged", &body).await.status(), 401);
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn y01_a_refusing_gateway_answers_500_in_its_words() {
    let clinic = Clinic::with(|setup, _| setup.set("sandbox.api_key", "wrong")).await;
    let body = json!({"amount": 5000, "soapify_user_id": "u"});
    let answer = clinic.post(SOAPIFY, &clinic.doctor_token(), &body).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"],
        "خطا در ایجاد پرداخت"
    );
    assert_eq!(
        clinic.events_named("payments.payment_failed").await.len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn y03_a_wallet_is_charged() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({"amount": 100_000, "description": "شارژ کیف پول"});
    let answer = clinic.post(CREATE, &token, &body).await;
    assert_eq!(answer.status(), 201);
    let started: Value = answer.json().await.unwrap();
    assert_eq!(
        members(&started),
        [
            "amount",
            "currency",
            "payment_url",
            "status",
            "status_display",
            "transaction_id"
        ]
    );
    assert_eq!(started["status"], "processing");
    assert_eq!(started["status_display"], "در حال پردازش");
    let id = started["transaction_id"].as_str().unwrap();

    let location = clinic
        .decide(started["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    let status: Value = clinic
        .get(&format!("/crazyminer/payment/status/{id}/"), &token)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(status["status"], "completed");
    assert_eq!(status["status_display"], "تکمیل شده");
    assert_eq!(status["amount"], "100000");
    assert!(status["completed_at"].is_string() && status["gateway_tracking_code"].is_string());
    assert!(status.get("payment_url").is_none());

    let wallet: Value = clinic
        .get("/api/v1/wallet/", &token)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&wallet["balance"], &wallet["currency"]),
        (&json!(100_000), &json!("IRR"))
    );
    assert_eq!(wallet["entries"][0]["reference"], id);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y03_amounts_are_checked_and_echoed() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let words = |answer: Value| answer["details"]["amount"][0].as_str().unwrap().to_owned();
    for (amount, expected) in [
        (json!(0), "مبلغ باید بیشتر از صفر باشد"),
        (json!(-10_000), "مبلغ باید بیشتر از صفر باشد"),
        (json!(9_999), "حداقل مبلغ شارژ 10,000 ریال است"),
        (json!(null), "این مقدار لازم است."),
    ] {
        let answer = clinic
            .post(CREATE, &token, &json!({ "amount": amount }))
            .await;
        assert_eq!(answer.status(), 400, "{amount}");
        let refusal: Value = answer.json().await.unwrap();
        assert_eq!(refusal["error"], "داده‌های نامعتبر");
        assert_eq!(words(refusal), expected, "{amount}");
    }
    let text = clinic
        .post(CREATE, &token, &json!({"amount": "۲۰۰۰۰"}))
        .await;
    assert_eq!(text.json::<Value>().await.unwrap()["amount"], "۲۰۰۰۰");
    // Without a place in any organisation there is no book to charge.
    let nobody = clinic.service.issuer.access(|_| {});
    assert_eq!(
        clinic
            .post(CREATE, &nobody, &json!({"amount": 20_000}))
            .await
            .status(),
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn y07_status_and_list_belong_to_their_owner() {
    let clinic = Clinic::new().await;
    let started = clinic.charge(30_000).await;
    let id = started["transaction_id"].as_str().unwrap();
    let path = format!("/crazyminer/payment/status/{id}/");
    let own: Value = clinic
        .get(&path, &clinic.doctor_token())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(own["transaction_id"], id);
    assert_eq!(
        (&own["status"], &own["completed_at"]),
        (&json!("processing"), &Value::Null)
    );
    assert_eq!(own["payment_url"], started["payment_url"]);

    let other = clinic.token(Uuid::now_v7(), ClinicRole::Doctor);
    for (path, token) in [
        (path.as_str(), other.as_str()),
        (
            &format!("/crazyminer/payment/status/{}/", Uuid::now_v7()),
            &clinic.doctor_token(),
        ),
        (
            "/crazyminer/payment/status/not-a-uuid/",
            &clinic.doctor_token(),
        ),
    ] {
        let answer = clinic.get(path, token).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(
            answer.json::<Value>().await.unwrap()["error"],
            "پرداخت یافت نشد"
        );
    }
    assert_eq!(
        clinic.service.get(&path).send().await.unwrap().status(),
        401
    );

    let list: Value = clinic
        .get("/crazyminer/payment/list/", &clinic.doctor_token())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["count"], 1);
    assert_eq!(
        members(&list["results"][0]),
        [
            "amount",
            "completed_at",
            "created_at",
            "description",
            "gateway_reference_id",
            "gateway_tracking_code",
            "gateway_transaction_id",
            "id",
            "status",
            "status_display",
            "updated_at",
            "user",
            "user_phone",
        ]
    );
    assert_eq!(list["results"][0]["amount"], "30000");
    assert_eq!(list["results"][0]["description"], "شارژ کیف پول");
    let others: Value = clinic
        .get("/crazyminer/payment/list/", &other)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(others["count"], 0);
}
