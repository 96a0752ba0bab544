//! The payer, and the sandbox where payers pay.

use reqwest::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Clinic;

impl Clinic {
    pub(crate) async fn behave(&self, behaviour: &Value) {
        let url = format!("{}/dev/sandbox/behaviour/", self.provider.base_url);
        let answer = reqwest::Client::new()
            .put(url)
            .json(behaviour)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// The payer decides on the hosted page; answers where the browser is sent.
    pub(crate) async fn decide(&self, payment_url: &str, decision: &str) -> String {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = http
            .post(payment_url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("decision={decision}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Follows the provider's redirect with the payer's browser.
    pub(crate) async fn come_back(&self, location: &str) -> Response {
        let query = location.split_once('?').unwrap().1;
        self.service
            .get(&format!("/api/v1/payments/return/?{query}"))
            .send()
            .await
            .unwrap()
    }

    /// A paid payment at the provider that we did not start.
    pub(crate) async fn unknown_at_the_provider(&self, amount: i64) {
        let base = format!("{}/dev/sandbox/payments/", self.provider.base_url);
        let body = json!({"amount": amount, "currency": "IRR", "order_id": "elsewhere",
            "callback_url": "http://tabib.test/"});
        let request = reqwest::Client::new()
            .post(base)
            .bearer_auth("sandbox-key")
            .json(&body);
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        self.decide(made["hosted_url"].as_str().unwrap(), "approve")
            .await;
    }

    async fn provider_reference(&self, payment: &str) -> String {
        let mut conn = self.db().get().await.unwrap();
        let id = Uuid::parse_str(payment).unwrap();
        let payment = payments::payment::find_payment(&mut conn, id)
            .await
            .unwrap();
        payment.unwrap().provider_reference.unwrap()
    }

    /// What the provider says went back of a payment.
    pub(crate) async fn refunded_at_the_provider(&self, payment: &str) -> i64 {
        let reference = self.provider_reference(payment).await;
        let url = format!(
            "{}/dev/sandbox/payments/{reference}/",
            self.provider.base_url
        );
        let answer = reqwest::Client::new()
            .get(url)
            .bearer_auth("sandbox-key")
            .send()
            .await
            .unwrap();
        answer.json::<Value>().await.unwrap()["refunded_amount"]
            .as_i64()
            .unwrap()
    }

    /// Somebody gives money back in the provider's own console.
    pub(crate) async fn give_back_at_the_provider(&self, payment: &str, amount: i64) {
        let reference = self.provider_reference(payment).await;
        let url = format!(
            "{}/dev/sandbox/payments/{reference}/refunds/",
            self.provider.base_url
        );
        let body = json!({"amount": amount, "idempotency_key": Uuid::now_v7()});
        let request = reqwest::Client::new()
            .post(url)
            .bearer_auth("sandbox-key")
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 201);
    }
}
