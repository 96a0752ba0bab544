use serde_json::{Value, json};

use super::{Form, client, simulators};

async fn form(base: &str, path: &str, fields: &[(&str, &str)]) -> String {
    client()
        .post(format!("{base}/bitpay/payment/{path}"))
        .form_fields(fields)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test]
async fn y01_the_form_dialect_sends_pays_and_verifies_once() {
    let running = simulators().await;
    let base = &running.base_url;
    let sent = [
        ("api", "bitpay-key"),
        ("amount", "50000"),
        ("redirect", "http://a.example/back"),
        ("factorId", "f1"),
    ];
    let id = form(base, "gateway-send", &sent).await;
    assert!(id.parse::<i64>().unwrap() > 0);
    let page = client()
        .get(format!("{base}/bitpay/payment/gateway-{id}-get"))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let back = client()
        .post(format!("{base}/bitpay/payment/gateway-{id}-get"))
        .form_fields(&[("decision", "approve")])
        .send()
        .await
        .unwrap();
    let location = url::Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
    let returned: std::collections::HashMap<String, String> =
        location.query_pairs().into_owned().collect();
    assert_eq!(
        (returned["id_get"].as_str(), returned["factorId"].as_str()),
        (id.as_str(), "f1")
    );
    let verify = [
        ("api", "bitpay-key"),
        ("id_get", &id),
        ("trans_id", &returned["trans_id"]),
        ("json", "1"),
    ];
    let first: Value =
        serde_json::from_str(&form(base, "gateway-result-second", &verify).await).unwrap();
    assert_eq!(
        (&first["status"], &first["amount"], &first["factorId"]),
        (&json!(1), &json!(50_000), &json!("f1"))
    );
    let second: Value =
        serde_json::from_str(&form(base, "gateway-result-second", &verify).await).unwrap();
    assert_eq!(second["status"], 11, "already verified");
    assert_eq!(
        form(base, "gateway-result-second", &verify[..3]).await,
        "11",
        "bare without json=1"
    );
}

#[tokio::test]
async fn the_json_dialect_answers_bare_integers() {
    let running = simulators().await;
    let base = &running.base_url;
    let post = async |path: &str, body: Value| {
        let answer = client()
            .post(format!("{base}/bitpay/payment/{path}"))
            .json(&body)
            .send()
            .await
            .unwrap();
        answer.text().await.unwrap().parse::<i64>().unwrap()
    };
    let id = post("gateway-send", json!({"api": "bitpay-key", "amount": 20_000, "factorId": "f", "redirect": "http://a.example/"})).await;
    let wrong = json!({"api": "bitpay-key", "id_get": id, "trans_id": 1});
    assert_eq!(
        post("gateway-result-second", wrong).await,
        -4,
        "not paid yet"
    );
    client()
        .post(format!("{base}/bitpay/payment/gateway-{id}-get"))
        .form_fields(&[("decision", "approve")])
        .send()
        .await
        .unwrap();
    let trans_id = running.state.bitpay.find(id).unwrap().trans_id.unwrap();
    let right = json!({"api": "bitpay-key", "id_get": id, "trans_id": trans_id.to_string()});
    assert_eq!(
        post("gateway-result-second", right).await,
        20_000,
        "the verified amount"
    );
}

#[tokio::test]
async fn errors_are_negative_integers() {
    let running = simulators().await;
    let base = &running.base_url;
    let good = [
        ("api", "bitpay-key"),
        ("amount", "50000"),
        ("redirect", "http://a.example/"),
    ];
    for (index, value, expected) in [
        (0, "wrong", "-1"),
        (1, "999", "-2"),
        (1, "abc", "-2"),
        (2, "", "-3"),
    ] {
        let mut fields = good;
        fields[index].1 = value;
        assert_eq!(form(base, "gateway-send", &fields).await, expected);
    }
    for (id, trans, expected) in [("x", "1", "-3"), ("1", "x", "-2"), ("1", "1", "-4")] {
        let fields = [("api", "bitpay-key"), ("id_get", id), ("trans_id", trans)];
        assert_eq!(form(base, "gateway-result-second", &fields).await, expected);
    }
}
