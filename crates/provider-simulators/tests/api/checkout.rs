//! ZarinPal, PayPing, Stripe and Wave as their documents describe them (providers.md 4, 3b, 5, 8.1; checklist 11).

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Form, client, simulators};

const KEY: &str = "checkout-key";

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn decide(page: &str, decision: &str) -> String {
    let answer = client()
        .post(page)
        .form_fields(&[("decision", decision)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn zarinpal_speaks_its_envelope_codes_and_callback() {
    let running = simulators().await;
    let base = format!("{}/dev/zarinpal/pg", running.base_url);
    let call = async |name: &str, mut body: Value| {
        body["merchant_id"] = json!(KEY);
        answer(
            client()
                .post(format!("{base}/v4/payment/{name}.json"))
                .json(&body),
        )
        .await
    };
    let order =
        json!({"amount": 10_000, "description": "d", "callback_url": "http://a.example/back?x=1"});
    let (status, opened) = call("request", order.clone()).await;
    assert_eq!(
        (status, &opened["data"]["code"], &opened["errors"]),
        (200, &json!(100), &json!([]))
    );
    let authority = opened["data"]["authority"].as_str().unwrap().to_owned();
    assert!(
        authority.len() == 36 && authority.starts_with('S'),
        "{authority}"
    );

    let verify = json!({"authority": authority, "amount": 10_000});
    let (status, unpaid) = call("verify", verify.clone()).await;
    assert_eq!(
        (status, &unpaid["errors"]["code"], &unpaid["data"]),
        (400, &json!(-51), &json!([]))
    );
    let inquiry = json!({"authority": authority});
    assert_eq!(
        call("inquiry", inquiry.clone()).await.1["data"]["status"],
        "IN_BANK"
    );
    let back = decide(&format!("{base}/StartPay/{authority}"), "approve").await;
    assert_eq!(
        back,
        format!("http://a.example/back?x=1&Authority={authority}&Status=OK")
    );
    assert_eq!(
        call("inquiry", inquiry.clone()).await.1["data"]["status"],
        "PAID"
    );
    let waiting = call("unVerified", json!({})).await.1;
    assert_eq!(
        waiting["data"]["authorities"][0]["authority"],
        json!(authority)
    );
    let other = json!({"authority": authority, "amount": 9_000});
    assert_eq!(call("verify", other).await.1["errors"]["code"], -50);
    let (_, first) = call("verify", verify.clone()).await;
    assert_eq!(first["data"]["code"], 100);
    assert!(first["data"]["ref_id"].is_i64());
    assert_eq!(
        call("verify", verify).await.1["data"]["code"],
        101,
        "already verified"
    );
    assert_eq!(
        call("inquiry", inquiry.clone()).await.1["data"]["status"],
        "VERIFIED"
    );
    assert_eq!(
        call("reverse", inquiry.clone()).await.1["data"]["code"],
        100
    );
    assert_eq!(
        call("reverse", inquiry.clone()).await.1["errors"]["code"],
        -61
    );
    assert_eq!(
        call("inquiry", inquiry).await.1["data"]["status"],
        "REVERSED"
    );

    let declined = call("request", order.clone()).await.1["data"]["authority"]
        .as_str()
        .unwrap()
        .to_owned();
    let back = decide(&format!("{base}/StartPay/{declined}"), "decline").await;
    assert!(back.ends_with("Status=NOK"), "{back}");
    for (field, value, code, status) in [
        ("amount", json!(999), -9, 422),
        ("amount", json!("x"), -9, 422),
        ("amount", json!(1_000_000_001), -41, 400),
        ("callback_url", json!("ftp://x"), -9, 422),
        ("description", json!(""), -9, 422),
    ] {
        let mut bad = order.clone();
        bad[field] = value;
        let (seen, refused) = call("request", bad).await;
        assert_eq!(
            (seen, &refused["errors"]["code"]),
            (status, &json!(code)),
            "{field}"
        );
    }
    let stranger = client()
        .post(format!("{base}/v4/payment/request.json"))
        .json(&json!({"merchant_id": "x"}));
    assert_eq!(answer(stranger).await.1["errors"]["code"], -10);
    assert_eq!(
        call("verify", json!({"authority": "S0", "amount": 1}))
            .await
            .1["errors"]["code"],
        -54
    );
}

#[tokio::test]
async fn payping_verifies_with_the_browsers_number_and_says_110_again() {
    let running = simulators().await;
    let base = format!("{}/dev/payping/v3", running.base_url);
    let call = async |path: &str, body: Value| {
        answer(
            client()
                .post(format!("{base}{path}"))
                .bearer_auth(KEY)
                .json(&body),
        )
        .await
    };
    let order = json!({"amount": 5_000, "returnUrl": "http://a.example/back", "clientRefId": "o1"});
    let (status, opened) = call("/pay", order).await;
    assert_eq!(status, 200);
    let code = opened["paymentCode"].as_str().unwrap();
    let back = decide(opened["url"].as_str().unwrap(), "approve").await;
    let back = url::Url::parse(&back).unwrap();
    let reference = back
        .query_pairs()
        .find(|(name, _)| name == "paymentRefId")
        .unwrap()
        .1
        .into_owned();
    let verify = |amount: i64, reference: &str| json!({"paymentCode": code, "paymentRefId": reference, "amount": amount});
    let (status, wrong) = call("/pay/verify", verify(5_000, "1")).await;
    assert_eq!((status, &wrong["metaData"]["code"]), (400, &json!(133)));
    assert_eq!(
        call("/pay/verify", verify(4_000, &reference)).await.1["metaData"]["code"],
        112
    );
    let (status, paid) = call("/pay/verify", verify(5_000, &reference)).await;
    assert_eq!(
        (status, &paid["amount"], &paid["clientRefId"]),
        (200, &json!(5_000), &json!("o1"))
    );
    let (status, again) = call("/pay/verify", verify(5_000, &reference)).await;
    assert_eq!((status, &again["metaData"]["code"]), (409, &json!(110)));
    let stranger = client().post(format!("{base}/pay")).json(&json!({}));
    assert_eq!(answer(stranger).await.0, 401);
}

#[tokio::test]
async fn stripe_takes_forms_replays_keys_and_expires_sessions() {
    let running = simulators().await;
    let base = format!("{}/dev/stripe/v1", running.base_url);
    let order = [
        ("mode", "payment"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "2500"),
        ("line_items[0][price_data][product_data][name]", "Visit"),
        ("client_reference_id", "o1"),
        ("success_url", "http://a.example/ok?s={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "http://a.example/no"),
    ];
    let post = async |path: &str, key: &str, fields: &[(&str, &str)]| {
        let request = client().post(format!("{base}{path}")).bearer_auth(KEY);
        answer(request.header("Idempotency-Key", key).form_fields(fields)).await
    };
    let (status, session) = post("/checkout/sessions", "k1", &order).await;
    assert_eq!(
        (status, &session["status"], &session["payment_status"]),
        (200, &json!("open"), &json!("unpaid"))
    );
    let id = session["id"].as_str().unwrap();
    assert!(id.starts_with("cs_"));
    assert_eq!(
        post("/checkout/sessions", "k1", &order).await.1["id"],
        session["id"],
        "replayed"
    );
    let (status, mismatch) = post("/checkout/sessions", "k1", &order[..7]).await;
    assert_eq!(
        (status, &mismatch["error"]["type"]),
        (400, &json!("idempotency_error"))
    );
    let json_body = client()
        .post(format!("{base}/checkout/sessions"))
        .bearer_auth(KEY)
        .json(&json!({"mode": "payment"}));
    assert_eq!(answer(json_body).await.0, 400, "only forms are read");
    let back = decide(session["url"].as_str().unwrap(), "approve").await;
    assert_eq!(back, format!("http://a.example/ok?s={id}"));
    let get =
        async |path: &str| answer(client().get(format!("{base}{path}")).bearer_auth(KEY)).await;
    let (_, paid) = get(&format!("/checkout/sessions/{id}")).await;
    assert_eq!(
        (
            &paid["status"],
            &paid["payment_status"],
            &paid["amount_total"]
        ),
        (&json!("complete"), &json!("paid"), &json!(2_500))
    );
    assert_eq!(
        post(&format!("/checkout/sessions/{id}/expire"), "e1", &[])
            .await
            .0,
        400,
        "too late"
    );
    let intent = paid["payment_intent"].as_str().unwrap();
    let part = [("payment_intent", intent), ("amount", "1000")];
    let (_, refund) = post("/refunds", "r1", &part).await;
    assert_eq!(
        (&refund["status"], &refund["amount"]),
        (&json!("succeeded"), &json!(1_000))
    );
    assert_eq!(
        post("/refunds", "r1", &part).await.1["id"],
        refund["id"],
        "one refund per key"
    );
    let (status, _) = post(
        "/refunds",
        "r2",
        &[("payment_intent", intent), ("amount", "1501")],
    )
    .await;
    assert_eq!(status, 400, "never more than was taken");
    assert_eq!(post("/checkout/sessions", "k2", &order).await.0, 200);
    let (_, list) = get("/checkout/sessions?limit=1").await;
    assert_eq!(
        (&list["has_more"], list["data"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let after = list["data"][0]["id"].as_str().unwrap();
    let (_, rest) = get(&format!("/checkout/sessions?starting_after={after}")).await;
    assert_eq!(
        (&rest["has_more"], &rest["data"][0]["id"]),
        (&json!(false), &json!(id))
    );
    assert_eq!(get("/checkout/sessions/cs_none").await.0, 404);
}

#[tokio::test]
async fn wave_takes_amounts_as_text_and_finds_by_reference() {
    let running = simulators().await;
    let base = format!("{}/dev/wave/v1/checkout/sessions", running.base_url);
    let order = |amount: Value| {
        json!({"amount": amount, "currency": "XOF", "client_reference": "o1",
            "success_url": "https://a.example/ok", "error_url": "https://a.example/no"})
    };
    let post = async |path: &str, body: Value| {
        answer(
            client()
                .post(format!("{base}{path}"))
                .bearer_auth(KEY)
                .json(&body),
        )
        .await
    };
    for amount in [json!(1_000), json!("01000"), json!("10.5"), json!("")] {
        let (status, refused) = post("", order(amount.clone())).await;
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!("request-validation-error")),
            "{amount}"
        );
    }
    let mut plain = order(json!("1000"));
    plain["success_url"] = json!("http://a.example/ok");
    assert_eq!(post("", plain).await.0, 400, "https only");
    let (status, session) = post("", order(json!("1000"))).await;
    assert_eq!(
        (status, &session["amount"], &session["checkout_status"]),
        (200, &json!("1000"), &json!("open"))
    );
    let id = session["id"].as_str().unwrap();
    let get =
        async |path: &str| answer(client().get(format!("{base}{path}")).bearer_auth(KEY)).await;
    let (_, found) = get("/search?client_reference=o1").await;
    assert_eq!(found["result"][0]["id"], json!(id));
    let back = decide(session["wave_launch_url"].as_str().unwrap(), "approve").await;
    assert_eq!(back, "https://a.example/ok");
    let (_, paid) = get(&format!("/{id}")).await;
    assert_eq!(
        (&paid["checkout_status"], &paid["payment_status"]),
        (&json!("complete"), &json!("succeeded"))
    );
    let transaction = paid["transaction_id"].as_str().unwrap();
    assert_eq!(
        get(&format!("?transaction_id={transaction}")).await.1["id"],
        json!(id)
    );
    assert_eq!(
        post(&format!("/{id}/expire"), json!({})).await.0,
        409,
        "complete"
    );
    for _ in 0..2 {
        assert_eq!(
            post(&format!("/{id}/refund"), json!({})).await.0,
            200,
            "any number of times"
        );
    }
    assert_eq!(running.state.wave.find(id).unwrap().refunds.len(), 1);
    let (_, open) = post("", order(json!("2000"))).await;
    let open = open["id"].as_str().unwrap();
    assert_eq!(
        post(&format!("/{open}/expire"), json!({})).await,
        (200, Value::Null)
    );
    assert_eq!(
        get(&format!("/{open}")).await.1["checkout_status"],
        "expired"
    );
    let nobody = client().get(format!("{base}/{id}"));
    assert_eq!(answer(nobody).await.1["code"], "missing-auth-header");
    assert_eq!(
        get("/cos-none").await.1["code"],
        "checkout-session-not-found"
    );
}

#[tokio::test]
async fn faults_run_down_and_are_set_over_http() {
    let running = simulators().await;
    let faults = json!({"fail_calls": 1, "garble_calls": 1});
    let set = client()
        .put(format!("{}/dev/wave/faults/", running.base_url))
        .json(&faults);
    assert_eq!(answer(set).await.0, 200);
    let url = format!("{}/dev/wave/v1/checkout/sessions/x", running.base_url);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = client().get(&url).bearer_auth(KEY).send().await.unwrap();
        seen.push((
            answer.status().as_u16(),
            answer.json::<Value>().await.is_ok(),
        ));
    }
    assert_eq!(seen, [(500, false), (200, false), (404, true)]);
    let set = client()
        .put(format!("{}/dev/nobody/faults/", running.base_url))
        .json(&faults);
    assert_eq!(answer(set).await.0, 404);
}
