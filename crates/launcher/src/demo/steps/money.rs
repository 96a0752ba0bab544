//! Steps 3 and 9: payments at the sandbox provider.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::super::Story;
use super::clinic::{Invoice, wait_paid};

/// The invoice is paid: created at the provider, approved on its hosted page, verified, booked,
/// and portal hears of it.
pub(super) async fn invoice_is_paid(
    story: &Story,
    secretary: &str,
    invoice: &Invoice,
) -> Result<()> {
    let payment = pay_invoice(story, secretary, invoice, "approve").await?;
    wait_payment(story, secretary, &payment, "completed").await?;
    story.tell(format!("GET /api/v1/payments/{payment}/ → 200 completed"));
    wait_paid(story, secretary, invoice).await?;
    story.tell(format!(
        "GET /api/invoices/{}/ → 200 paid (by the event of payments)",
        invoice.id
    ));
    Ok(())
}

/// Creates the payment of an invoice and decides on the hosted page; answers its id.
pub async fn pay_invoice(
    story: &Story,
    secretary: &str,
    invoice: &Invoice,
    decision: &str,
) -> Result<String> {
    let key = uuid::Uuid::now_v7().to_string();
    let body = json!({"purpose": "invoice", "invoice_id": invoice.uuid});
    let create = || {
        story
            .http
            .post("/api/v1/payments/")
            .bearer(secretary)
            .header("Idempotency-Key", &key)
            .json(&body)
            .send()
    };
    let answer = create()
        .await?
        .expect(201)?
        .keys(&["currency"])?
        .is("status", "processing")?
        .is("invoice_id", invoice.uuid.as_str())?
        .is("amount", invoice.total)?;
    let again = create().await?.expect(201)?;
    ensure!(
        again.body == answer.body,
        "the same Idempotency-Key gave another answer: {} and {}",
        answer.short(),
        again.short()
    );
    let payment = answer.text("id")?;
    let url = answer.text("payment_url")?;
    story.tell(format!(
        "POST /api/v1/payments/ → 201 {payment} {} {}",
        invoice.total,
        answer.text("currency")?
    ));
    pay_on_hosted_page(story, &url, decision).await?;
    Ok(payment)
}

/// What a payer's browser does: opens the hosted page, decides, follows the redirect back.
pub async fn pay_on_hosted_page(story: &Story, url: &str, decision: &str) -> Result<()> {
    ensure!(
        url.starts_with(story.http.base()),
        "the hosted page {url} is not behind the gateway {}",
        story.http.base()
    );
    let page = story.http.get(url).send().await?.expect(200)?;
    let html = String::from_utf8_lossy(&page.body).into_owned();
    ensure!(
        html.contains("value=\"approve\"") && html.contains("value=\"decline\""),
        "the hosted page offers no decision: {}",
        page.short()
    );
    let decided = story
        .http
        .post(url)
        .form(&[("decision", decision)])
        .send()
        .await?
        .expect(303)?;
    let back = decided.header("location");
    story.tell(format!(
        "hosted page: {decision} → 303 back to the platform"
    ));
    let answer = story.http.get(&back).send().await?;
    ensure!(
        [200, 302, 303].contains(&answer.status),
        "the return address answered {}: {}",
        answer.status,
        answer.short()
    );
    Ok(())
}

async fn wait_payment(story: &Story, token: &str, payment: &str, status: &str) -> Result<()> {
    story
        .eventually(&format!("the payment's status {status}"), async || {
            let answer = story
                .http
                .get(&format!("/api/v1/payments/{payment}/"))
                .bearer(token)
                .send()
                .await?;
            if answer.status >= 502 {
                return Ok(None);
            }
            let answer = answer.expect(200)?;
            Ok((answer.text("status")? == status).then_some(()))
        })
        .await
}

/// The doctor pays for a SOAPify user (the wallet must not move), then charges the wallet (it
/// must move by exactly that much).
pub(super) async fn doctor_pays(story: &Story) -> Result<()> {
    let doctor = story.token("doctor").await?;
    let before = balance(story, &doctor).await?;
    let soapify_user = format!("soapify-{}", crate::secrets::alphanumeric(8));
    let answer = story
        .http
        .post("/crazyminer/patient/soapify-payment/")
        .bearer(&doctor)
        .json(&json!({
            "amount": 500_000,
            "soapify_user_id": soapify_user,
            "description": "پرداخت هزینه ویزیت",
        }))
        .send()
        .await?
        .expect(201)?
        .is("amount", 500_000)?
        .is("soapify_user_id", soapify_user.as_str())?
        .is("status", "processing")?;
    let transaction = answer.text("transaction_id")?;
    story.tell(format!(
        "POST /crazyminer/patient/soapify-payment/ → 201 {transaction} processing"
    ));
    pay_on_hosted_page(story, &answer.text("payment_url")?, "approve").await?;
    wait_transaction(story, &doctor, &transaction).await?;
    ensure!(
        balance(story, &doctor).await? == before,
        "a payment for a SOAPify user moved the doctor's wallet"
    );

    let answer = story
        .http
        .post("/crazyminer/payment/create/")
        .bearer(&doctor)
        .json(&json!({"amount": 100_000, "description": "شارژ کیف پول"}))
        .send()
        .await?
        .expect(201)?
        .is("amount", 100_000)?
        .is("status", "processing")?
        .says("status_display", "در حال پردازش")?;
    let transaction = answer.text("transaction_id")?;
    story.tell(format!(
        "POST /crazyminer/payment/create/ → 201 {transaction} processing"
    ));
    pay_on_hosted_page(story, &answer.text("payment_url")?, "approve").await?;
    wait_transaction(story, &doctor, &transaction).await?;
    let after = story
        .eventually("the charged wallet", async || {
            let now = balance(story, &doctor).await?;
            Ok((now != before).then_some(now))
        })
        .await?;
    ensure!(
        after == before + 100_000,
        "the wallet went from {before} to {after} by a charge of 100000"
    );
    story.tell(format!(
        "GET /api/v1/wallet/ → 200 balance {before} → {after}"
    ));
    Ok(())
}

/// The doctor's wallet in rial.
async fn balance(story: &Story, doctor: &str) -> Result<i64> {
    story
        .http
        .get("/api/v1/wallet/")
        .bearer(doctor)
        .send()
        .await?
        .expect(200)?
        .is("currency", "IRR")?
        .int("balance")
}

async fn wait_transaction(story: &Story, doctor: &str, transaction: &str) -> Result<()> {
    let done = story
        .eventually("the completed payment", async || {
            let answer = story
                .http
                .get(&format!("/crazyminer/payment/status/{transaction}/"))
                .bearer(doctor)
                .send()
                .await?;
            if answer.status >= 502 {
                return Ok(None);
            }
            let answer = answer
                .expect(200)?
                .is("transaction_id", transaction)?
                .keys(&[
                    "amount",
                    "gateway_tracking_code",
                    "created_at",
                    "completed_at",
                ])?;
            Ok((answer.text("status")? == "completed").then_some(answer))
        })
        .await?;
    let done = done.says("status_display", "تکمیل شده")?;
    story.tell(format!(
        "GET /crazyminer/payment/status/{transaction}/ → 200 {}",
        done.text("status").context("no status")?
    ));
    Ok(())
}
