use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use provider_simulators::{Options, Running, WebhookTarget, spawn};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Form, client, until};

const KEY: &str = "sandbox-key";
const SECRET: &str = "the webhook secret";

#[derive(Default)]
struct Received {
    bodies: Mutex<Vec<(String, String)>>,
    refuse: Mutex<u32>,
}

async fn take(
    request: HttpRequest,
    body: web::Bytes,
    received: web::Data<Received>,
) -> HttpResponse {
    let mut refuse = received.refuse.lock();
    if *refuse > 0 {
        *refuse -= 1;
        return HttpResponse::ServiceUnavailable().finish();
    }
    let signature = request
        .headers()
        .get("x-signature")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    received
        .bodies
        .lock()
        .push((String::from_utf8(body.to_vec()).unwrap(), signature));
    HttpResponse::Ok().finish()
}

/// A webhook receiver that refuses the first `refuse` posts.
fn receiver(refuse: u32) -> (String, web::Data<Received>) {
    let received = web::Data::new(Received {
        refuse: Mutex::new(refuse),
        ..Received::default()
    });
    let data = received.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/hook", web::post().to(take))
    })
    .workers(1)
    .listen(listener)
    .unwrap()
    .run();
    tokio::spawn(server);
    (url, received)
}

async fn sandbox(url: &str, folder: Option<&std::path::Path>) -> Running {
    spawn(Options {
        data_dir: folder.map(Into::into),
        webhook: Some(WebhookTarget {
            url: url.to_owned(),
            secret: SECRET.to_owned(),
        }),
        ..Options::default()
    })
    .await
    .unwrap()
}

async fn create(running: &Running, amount: i64) -> Value {
    let answer = client()
        .post(format!("{}/dev/sandbox/payments/", running.base_url))
        .bearer_auth(KEY)
        .json(
            &json!({"amount": amount, "currency": "IRR", "order_id": "order-1",
            "callback_url": "http://clinic.example/return?a=1", "description": "فاکتور ۱"}),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

async fn status(running: &Running, id: &str) -> Value {
    client()
        .get(format!("{}/dev/sandbox/payments/{id}/", running.base_url))
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn decide(running: &Running, payment: &Value, decision: &str) -> String {
    let answer = client()
        .post(payment["hosted_url"].as_str().unwrap())
        .form_fields(&[("decision", decision)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303, "{}", running.base_url);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn behave(running: &Running, behaviour: Value) {
    let answer = client()
        .put(format!("{}/dev/sandbox/behaviour/", running.base_url))
        .json(&behaviour)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn y05_an_approved_payment_redirects_and_posts_a_signed_webhook() {
    let (url, received) = receiver(0);
    let running = sandbox(&url, None).await;
    let payment = create(&running, 250_000).await;
    let id = payment["id"].as_str().unwrap();
    assert_eq!(payment["status"], "pending");
    let location = decide(&running, &payment, "approve").await;
    assert!(
        location.starts_with("http://clinic.example/return?a=1&provider=sandbox&payment_id="),
        "{location}"
    );
    assert!(location.contains("order_id=order-1") && location.ends_with("status=paid"));
    assert_eq!(status(&running, id).await["status"], "paid");
    until(async || received.bodies.lock().len() == 1).await;
    let (body, signature) = received.bodies.lock()[0].clone();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["event"], "payment.success");
    assert!(event["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(
        event["data"],
        json!({"payment_id": id, "order_id": "order-1", "amount": 250_000, "currency": "IRR"})
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    assert_eq!(signature, hex::encode(mac.finalize().into_bytes()));
    decide(&running, &payment, "decline").await;
    assert_eq!(
        status(&running, id).await["status"],
        "paid",
        "the first decision counts"
    );
}

#[tokio::test]
async fn a_declined_payment_fails_and_says_so() {
    let (url, received) = receiver(0);
    let running = sandbox(&url, None).await;
    let payment = create(&running, 1_000).await;
    assert!(
        decide(&running, &payment, "decline")
            .await
            .ends_with("status=failed")
    );
    until(async || !received.bodies.lock().is_empty()).await;
    assert!(received.bodies.lock()[0].0.contains("payment.failed"));
    behave(&running, json!({"decline": true})).await;
    let other = create(&running, 1_000).await;
    assert!(
        decide(&running, &other, "approve")
            .await
            .ends_with("status=failed"),
        "switched to decline"
    );
}

#[tokio::test]
async fn a_webhook_is_repeated_until_it_is_taken_and_duplicated_on_demand() {
    let (url, received) = receiver(2);
    let running = sandbox(&url, None).await;
    behave(
        &running,
        json!({"duplicate_webhooks": 2, "amount_offset": 7}),
    )
    .await;
    let payment = create(&running, 1_000).await;
    decide(&running, &payment, "approve").await;
    until(async || received.bodies.lock().len() == 3).await;
    let bodies = received.bodies.lock().clone();
    assert!(
        bodies.iter().all(|(body, _)| *body == bodies[0].0),
        "copies are the same event"
    );
    assert!(
        bodies[0].0.contains("1007"),
        "the provider lies about the amount"
    );
    assert_eq!(
        status(&running, payment["id"].as_str().unwrap()).await["amount"],
        1_007
    );
}

#[tokio::test]
async fn a_killed_provider_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (url, received) = receiver(0);
    // The receiver is away while the payment is decided.
    let running = sandbox("http://127.0.0.1:9/hook", Some(folder.path())).await;
    let payment = create(&running, 5_000).await;
    let id = payment["id"].as_str().unwrap().to_owned();
    decide(&running, &payment, "approve").await;
    running.stop().await;
    let again = sandbox(&url, Some(folder.path())).await;
    assert_eq!(status(&again, &id).await["status"], "paid");
    until(async || received.bodies.lock().len() == 1).await;
    assert!(received.bodies.lock()[0].0.contains(&id));
}

#[tokio::test]
async fn refunds_are_idempotent_and_bounded() {
    let running = sandbox("http://127.0.0.1:9/hook", None).await;
    let payment = create(&running, 10_000).await;
    let id = payment["id"].as_str().unwrap();
    let refund = async |amount: i64, key: &str| {
        let answer = client()
            .post(format!(
                "{}/dev/sandbox/payments/{id}/refunds/",
                running.base_url
            ))
            .bearer_auth(KEY)
            .json(&json!({"amount": amount, "idempotency_key": key}))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    assert_eq!(refund(1_000, "early").await.0, 409, "nothing was paid");
    decide(&running, &payment, "approve").await;
    let (first, body) = refund(4_000, "k1").await;
    let (second, repeated) = refund(4_000, "k1").await;
    assert_eq!((first, second), (201, 200));
    assert_eq!(body["id"], repeated["id"]);
    assert_eq!(
        refund(4_001, "k1").await.0,
        422,
        "the key belongs to another amount"
    );
    assert_eq!(refund(6_001, "k2").await.0, 422, "more than what is left");
    assert_eq!(status(&running, id).await["status"], "partially_refunded");
    assert_eq!(refund(6_000, "k3").await.1["payment_status"], "refunded");
}

#[tokio::test]
async fn the_api_wants_its_key_and_sound_values() {
    let running = sandbox("http://127.0.0.1:9/hook", None).await;
    let url = format!("{}/dev/sandbox/payments/", running.base_url);
    let good = json!({"amount": 1_000, "currency": "IRR", "order_id": "o", "callback_url": "http://a.example/"});
    assert_eq!(
        client()
            .post(&url)
            .json(&good)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(
        client()
            .post(&url)
            .bearer_auth("wrong")
            .json(&good)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    for (name, value) in [
        ("amount", json!(0)),
        ("currency", json!("GBP")),
        ("callback_url", json!("javascript:alert(1)")),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(
            client()
                .post(&url)
                .bearer_auth(KEY)
                .json(&body)
                .send()
                .await
                .unwrap()
                .status(),
            422,
            "{name}"
        );
    }
    let keyed = async || {
        let request = client()
            .post(&url)
            .bearer_auth(KEY)
            .header("idempotency-key", "same")
            .json(&good);
        request.send().await.unwrap().json::<Value>().await.unwrap()["id"].clone()
    };
    assert_eq!(keyed().await, keyed().await);
    behave(&running, json!({"fail_status_calls": 1})).await;
    assert_eq!(status(&running, "pay_x").await["error"]["code"], "internal");
    assert_eq!(
        status(&running, "pay_x").await["error"]["code"],
        "not_found"
    );
}

#[tokio::test]
async fn the_hosted_page_speaks_three_languages() {
    let running = sandbox("http://127.0.0.1:9/hook", None).await;
    let payment = create(&running, 1_250_000).await;
    let url = payment["hosted_url"].as_str().unwrap();
    for (language, needle) in [
        ("fa", "۱٬۲۵۰٬۰۰۰"),
        ("fr", "1\u{202f}250\u{202f}000"),
        ("en", "1,250,000"),
    ] {
        let page = client()
            .get(format!("{url}?lang={language}"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(page.contains(needle), "{language}");
        assert!(page.contains(&format!(r#"lang="{language}""#)));
        assert!(page.contains("فاکتور ۱"));
    }
    let persian = client()
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(persian.contains(r#"dir="rtl""#), "Persian is the default");
    let unknown = client()
        .get(format!("{}/dev/sandbox/pay/none", running.base_url))
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
    drop(Arc::new(running));
}
