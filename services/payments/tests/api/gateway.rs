//! The BitPay-like gateway of CrazyMiner, in both of its dialects.

use serde_json::{Value, json};

use crate::support::Clinic;

async fn clinic(dialect: &'static str) -> Clinic {
    Clinic::with(|setup, simulators| {
        setup
            .set("provider", "medogram")
            .set("gateway.base_url", format!("{simulators}/bitpay"))
            .set("gateway.dialect", dialect)
            .set("gateway.api_key", "bitpay-key")
    })
    .await
}

async fn callback(clinic: &Clinic, body: &Value) -> (u16, Value) {
    let answer = clinic
        .service
        .post("/crazyminer/payment/callback/")
        .json(body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn hints(location: &str) -> (String, String) {
    let url = reqwest::Url::parse(location).unwrap();
    let find = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap()
    };
    (find("trans_id"), find("id_get"))
}

async fn a_payment_through(dialect: &'static str) {
    let clinic = clinic(dialect).await;
    let started = clinic.charge(120_000).await;
    let id = started["transaction_id"].as_str().unwrap();
    let url = started["payment_url"].as_str().unwrap();
    assert!(
        url.contains("/payment/gateway-") && url.ends_with("-get"),
        "{url}"
    );

    let location = clinic.decide(url, "approve").await;
    let (trans_id, id_get) = hints(&location);
    let (status, body) = callback(&clinic, &json!({"trans_id": trans_id, "id_get": id_get})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["success"], true);
    assert_eq!(body["message"], "پرداخت با موفقیت انجام شد");
    assert_eq!(body["transaction_id"], id);
    // The same again credits nothing and answers the same.
    let again = callback(&clinic, &json!({"trans_id": trans_id, "id_get": id_get})).await;
    assert_eq!(again, (200, body));
    assert_eq!(clinic.balance("wallet").await, 120_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y07_callback_settles_in_the_json_dialect() {
    a_payment_through("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y07_callback_settles_in_the_form_dialect() {
    a_payment_through("form").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y07_an_invented_callback_settles_nothing_and_spoils_nothing() {
    let clinic = clinic("json").await;
    let started = clinic.charge(50_000).await;
    let id = started["transaction_id"].as_str().unwrap();
    let url = started["payment_url"].as_str().unwrap();
    let id_get = url
        .rsplit_once("gateway-")
        .unwrap()
        .1
        .trim_end_matches("-get")
        .to_owned();
    for guess in 0..7 {
        let body =
            json!({"trans_id": 900_000 + guess, "id_get": id_get, "status": 1, "amount": 50_000});
        let (status, answer) = callback(&clinic, &body).await;
        assert_eq!(status, 400);
        assert_eq!(
            (&answer["success"], &answer["message"]),
            (&json!(false), &json!("پرداخت تایید نشد"))
        );
    }
    assert_eq!(clinic.status_of(id).await, "processing");
    assert_eq!(clinic.balance("wallet").await, 0);
    // The true payer still gets through.
    let (trans_id, id_get) = hints(&clinic.decide(url, "approve").await);
    let (status, _) = callback(&clinic, &json!({"trans_id": trans_id, "id_get": id_get})).await;
    assert_eq!(status, 200);
    assert_eq!(clinic.balance("wallet").await, 50_000);

    let (status, answer) = callback(&clinic, &json!({"trans_id": "1", "id_get": "999999"})).await;
    assert_eq!((status, &answer["error"]), (404, &json!("پرداخت یافت نشد")));
    let (status, answer) = callback(&clinic, &json!({"id_get": "1"})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("داده‌های نامعتبر")));
    clinic.books_are_right().await;
}
