//! The wrong variants of paying: nobody's word moves money but the provider's own answer.
#![allow(clippy::unwrap_used)]

use flows::{Stage, forge};
use launcher::demo::pay_invoice;
use serde_json::json;

/// Step 3: a webhook that the provider has not signed moves no money.
#[tokio::test(flavor = "multi_thread")]
async fn i05_a_forged_webhook_is_refused_and_pays_nothing() {
    let stage = Stage::shared().await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let (_, invoice) = stage.unpaid_invoice().await.unwrap();
    let http = &stage.story.http;
    let body = json!({
        "event": "payment.success",
        "id": format!("evt_{}", uuid::Uuid::now_v7().simple()),
        "data": {"payment_id": "made-up", "order_id": invoice.uuid, "amount": invoice.total, "currency": "IRR"},
    })
    .to_string();
    let forged = forge::webhook_signature("not the secret", body.as_bytes()).unwrap();
    for signature in [forged.as_str(), "", "sha256=00"] {
        http.post("/api/integrations/webhook/payment-status/")
            .header("X-Signature", signature)
            .raw_json(body.as_bytes())
            .send()
            .await
            .unwrap()
            .expect(401)
            .unwrap()
            .is("success", false)
            .unwrap()
            .says("error", "Invalid signature")
            .unwrap();
    }
    http.post("/api/integrations/webhook/no-such-endpoint/")
        .header("X-Signature", &forged)
        .raw_json(body.as_bytes())
        .send()
        .await
        .unwrap()
        .expect(404)
        .unwrap()
        .says("error", "Webhook endpoint not found")
        .unwrap();
    http.get(&format!("/api/invoices/{}/", invoice.id))
        .bearer(&secretary)
        .send()
        .await
        .unwrap()
        .expect(200)
        .unwrap()
        .is("status", "sent")
        .unwrap();
}

/// Step 3: the provider's word alone moves no money either, and a webhook seen twice does nothing
/// the second time.
#[tokio::test(flavor = "multi_thread")]
async fn i05_a_replayed_webhook_pays_once() {
    let stage = Stage::shared().await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let accountant = stage.token("accountant").await.unwrap();
    let (_, invoice) = stage.unpaid_invoice().await.unwrap();
    let http = &stage.story.http;
    let payment = pay_invoice(&stage.story, &secretary, &invoice, "approve")
        .await
        .unwrap();
    launcher::demo::wait_paid(&stage.story, &secretary, &invoice)
        .await
        .unwrap();
    let secret = stage.secret("payment_status_webhook").unwrap();
    let body = json!({
        "event": "payment.success",
        "id": format!("evt_{}", uuid::Uuid::now_v7().simple()),
        "data": {"payment_id": payment, "order_id": payment, "amount": invoice.total, "currency": "IRR"},
    })
    .to_string();
    let signature = forge::webhook_signature(&secret, body.as_bytes()).unwrap();
    for _ in 0..3 {
        http.post("/api/integrations/webhook/payment-status/")
            .header("X-Signature", &signature)
            .raw_json(body.as_bytes())
            .send()
            .await
            .unwrap()
            .expect(200)
            .unwrap()
            .is("success", true)
            .unwrap();
    }
    // Everything that could still be on its way has arrived when a later payment has.
    let (_, later) = stage.unpaid_invoice().await.unwrap();
    pay_invoice(&stage.story, &secretary, &later, "approve")
        .await
        .unwrap();
    launcher::demo::wait_paid(&stage.story, &secretary, &later)
        .await
        .unwrap();
    let recorded = http
        .get("/api/payments/?page_size=100")
        .bearer(&accountant)
        .send()
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    let of_invoice: Vec<_> = recorded
        .list("results")
        .unwrap()
        .into_iter()
        .filter(|it| it["invoice"] == invoice.id)
        .collect();
    assert_eq!(of_invoice.len(), 1, "recorded payments: {of_invoice:?}");
}

/// Step 3: a payer who declines has paid nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_leaves_the_invoice_open() {
    let stage = Stage::shared().await.unwrap();
    let secretary = stage.token("secretary").await.unwrap();
    let (_, invoice) = stage.unpaid_invoice().await.unwrap();
    let payment = pay_invoice(&stage.story, &secretary, &invoice, "decline")
        .await
        .unwrap();
    let http = &stage.story.http;
    stage
        .story
        .eventually("the failed payment", async || {
            let answer = http
                .get(&format!("/api/v1/payments/{payment}/"))
                .bearer(&secretary)
                .send()
                .await?
                .expect(200)?;
            Ok((answer.text("status")? == "failed").then_some(()))
        })
        .await
        .unwrap();
    http.get(&format!("/api/invoices/{}/", invoice.id))
        .bearer(&secretary)
        .send()
        .await
        .unwrap()
        .expect(200)
        .unwrap()
        .is("status", "sent")
        .unwrap();
}
