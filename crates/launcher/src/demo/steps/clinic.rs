//! Step 2, and what later steps ask about patients and invoices.

use anyhow::{Context, Result, ensure};
use chrono::{Days, Utc};
use rand::RngExt;
use serde_json::{Value, json};

use super::super::Story;

/// The patient of this telling.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The number that the clinic's clients know.
    pub id: i64,
    pub phone: String,
    pub email: String,
    pub full_name: String,
}

/// The invoice of this telling.
#[derive(Debug, Clone)]
pub struct Invoice {
    pub id: i64,
    /// The key that payments and events use.
    pub uuid: String,
    /// `FAC-000001`.
    pub number: String,
    /// In minor units.
    pub total: i64,
}

/// The secretary registers a patient who was never here, an examination and its invoice.
pub(super) async fn register(story: &Story, secretary: &str) -> Result<(Patient, Invoice)> {
    let patient = register_patient(story, secretary).await?;
    story.tell(format!(
        "POST /api/patients/ → 201 {} (number {}, {})",
        patient.full_name, patient.id, patient.phone
    ));
    let exam = exam_type(story, secretary).await?;
    let name = exam["name"]
        .as_str()
        .context("an exam type has no name")?
        .to_owned();
    let invoice = create_invoice(story, secretary, &patient, &exam).await?;
    story.tell(format!(
        "POST /api/invoices/ → 201 {} for “{name}”, total {}",
        invoice.number, invoice.total
    ));
    let examination = story
        .http
        .post("/api/examinations/")
        .bearer(secretary)
        .json(&json!({
            "patient": patient.id,
            "exam_type": exam["id"],
            "performed_on": Utc::now().date_naive().to_string(),
        }))
        .send()
        .await?
        .expect(201)?
        .keys(&["id", "created_at"])?
        .is("patient", patient.id)?
        .is("exam_name", name.as_str())?;
    story.tell(format!(
        "POST /api/examinations/ → 201 examination {}",
        examination.int("id")?
    ));
    Ok((patient, invoice))
}

/// Registers a patient with a phone number nobody has used.
pub async fn register_patient(story: &Story, secretary: &str) -> Result<Patient> {
    let phone = fresh_phone();
    let email = format!("patient-{}@example.com", &phone[1..]);
    let answer = story
        .http
        .post("/api/patients/")
        .bearer(secretary)
        .json(&json!({
            "first_name": "Mina",
            "last_name": format!("Karimi {}", &phone[7..]),
            "gender": "F",
            "age": 34,
            "phone_number": phone,
            "email": email,
            "address": "Tivaouane",
            "language": "fr",
        }))
        .send()
        .await?
        .expect(201)?
        .keys(&["id", "created_at", "updated_at", "address"])?
        .is("first_name", "Mina")?
        .is("gender", "F")?
        .is("age", 34)?
        .is("phone_number", phone.as_str())?
        .is("email", email.as_str())?;
    let code = answer.text("patient_id")?;
    ensure!(
        code.len() == 6
            && code
                .bytes()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit()),
        "patient_id `{code}` is not six of A-Z0-9"
    );
    Ok(Patient {
        id: answer.int("id")?,
        full_name: answer.text("full_name")?,
        phone,
        email,
    })
}

/// An Iranian mobile number outside those of the demo people.
pub(super) fn fresh_phone() -> String {
    format!("0935{:07}", rand::rng().random_range(0..10_000_000))
}

/// The first active exam type of the clinic.
pub async fn exam_type(story: &Story, secretary: &str) -> Result<Value> {
    let answer = story
        .http
        .get("/api/exams/?is_active=true")
        .bearer(secretary)
        .send()
        .await?
        .expect(200)?
        .keys(&[
            "count",
            "results",
            "total_pages",
            "current_page",
            "page_size",
        ])?;
    let exam = answer
        .list("results")?
        .first()
        .cloned()
        .context("the demo clinic has no exam types")?;
    Ok(exam)
}

/// Makes an invoice of one line; prices include tax.
pub async fn create_invoice(
    story: &Story,
    secretary: &str,
    patient: &Patient,
    exam: &Value,
) -> Result<Invoice> {
    let today = Utc::now().date_naive();
    let due = today.checked_add_days(Days::new(30)).unwrap_or(today);
    let price = exam["price"]
        .as_str()
        .context("an exam type has no price")?;
    let answer = story
        .http
        .post("/api/invoices/")
        .bearer(secretary)
        .json(&json!({
            "patient": patient.id,
            "invoice_date": today.to_string(),
            "due_date": due.to_string(),
            "tax_rate": "18.00",
            "notes": "",
            "items": [{
                "exam_type": exam["id"],
                "description": exam["name"],
                "quantity": 1,
                "unit_price": price,
            }],
        }))
        .send()
        .await?
        .expect(201)?
        .keys(&[
            "id",
            "subtotal",
            "tax_amount",
            "items.0.id",
            "patient_details",
        ])?
        .is("status", "sent")?
        .is("patient", patient.id)?
        .is("patient_name", patient.full_name.as_str())?
        .is("total_amount", price)?
        .is("items.0.total_price", price)?;
    let number = answer.text("invoice_number")?;
    ensure!(
        number
            .strip_prefix("FAC-")
            .is_some_and(|it| it.len() == 6 && it.parse::<u32>().is_ok()),
        "the invoice number `{number}` is not FAC- and six digits"
    );
    let cents = |key: &str| -> Result<i64> { Ok(answer.text(key)?.parse()?) };
    ensure!(
        cents("subtotal")? + cents("tax_amount")? == cents("total_amount")?,
        "subtotal and tax do not make the total: {}",
        answer.short()
    );
    Ok(Invoice {
        id: answer.int("id")?,
        uuid: answer.text("uuid")?,
        number,
        total: cents("total_amount")?,
    })
}

/// Waits until the invoice is paid, which happens by an event of payments.
pub async fn wait_paid(story: &Story, secretary: &str, invoice: &Invoice) -> Result<()> {
    story
        .eventually(
            &format!("payment of invoice {}", invoice.number),
            async || {
                let answer = story
                    .http
                    .get(&format!("/api/invoices/{}/", invoice.id))
                    .bearer(secretary)
                    .send()
                    .await?;
                // A service that was just restarted may be away for a moment; the story goes on.
                if answer.status >= 502 {
                    return Ok(None);
                }
                let answer = answer.expect(200)?;
                Ok((answer.text("status")? == "paid").then_some(()))
            },
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_phones_are_valid_and_differ() {
        let phone = fresh_phone();
        assert_eq!(phone.len(), 11);
        assert!(common_types::PhoneNumber::parse(&phone).is_ok());
        assert_ne!(phone, fresh_phone());
    }
}
