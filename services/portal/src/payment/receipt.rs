//! The receipt of a completed payment as PDF (cimef.md 3).

use common_types::Language;
use documents::{ReceiptDocument, ReceiptField};
use uuid::Uuid;

use super::{dto::method_label, error::PaymentError, store};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, Paper},
    patient,
    state::AppState,
    web::{Act, Who},
};

fn method_name(language: Language, method: &str) -> String {
    let (fa, en) = match method {
        "cash" => ("نقدی", "Cash"),
        "check" => ("چک", "Cheque"),
        "bank_transfer" => ("انتقال بانکی", "Bank transfer"),
        "credit_card" => ("کارت بانکی", "Card"),
        "online" => ("پرداخت برخط", "Online payment"),
        _ => ("پول همراه", "Mobile money"),
    };
    match language {
        Language::Fa => fa.to_owned(),
        Language::En => en.to_owned(),
        Language::Fr => method_label(method).to_owned(),
    }
}

fn field_label(language: Language, name: &str) -> String {
    let (fa, fr, en) = match name {
        "reference" => ("شمارهٔ پیگیری", "Référence", "Reference"),
        "transaction" => ("شناسهٔ تراکنش", "ID Transaction", "Transaction"),
        "phone" => (
            "تلفن پرداخت‌کننده",
            "Téléphone (Mobile Money)",
            "Payer's phone",
        ),
        _ => (
            "شمارهٔ ارجاع اپراتور",
            "Référence opérateur",
            "Operator reference",
        ),
    };
    match language {
        Language::Fa => fa,
        Language::Fr => fr,
        Language::En => en,
    }
    .to_owned()
}

/// # Errors
/// [`PaymentError::NoReceipt`] unless the payment is completed.
pub(crate) async fn print(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    language: Option<Language>,
) -> Result<Paper, PaymentError> {
    let now = state.now();
    let document = state
        .db
        .transaction(async |conn| {
            let row = store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            let receipt = row
                .receipt_number
                .clone()
                .filter(|_| matches!(row.status.as_str(), "completed" | "refunded"))
                .ok_or(PaymentError::NoReceipt)?;
            let bill = invoice::find_invoices(conn, organization, &[row.invoice_id])
                .await?
                .pop()
                .ok_or(PaymentError::NotFound)?;
            let patient =
                patient::get_patient_of_any_state(conn, organization, bill.patient_id).await?;
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let sums = invoice::totals(conn, organization, &[bill.id])
                .await?
                .remove(&bill.id)
                .unwrap_or_default();
            let act = Act::on("receipt.printed", "invoice", &[bill.id])
                .with(serde_json::json!({"recorded_payment_id": row.id, "patient_id": patient.id}));
            who.record(conn, act, now).await?;
            let language = language.unwrap_or_else(|| clinic::language(&patient.language));
            let fields = [
                ("reference", &row.reference_number),
                ("transaction", &row.transaction_id),
                ("phone", &row.phone_number),
                ("operator", &row.operator_reference),
            ]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| ReceiptField {
                label: field_label(language, name),
                value: value.clone(),
            })
            .collect();
            Ok::<_, PaymentError>(ReceiptDocument {
                language,
                organization: clinic.on_paper(),
                number: receipt,
                paid_at: clinic.local(row.payment_date),
                patient: documents::Patient {
                    full_name: patient.full_name(),
                    phone: patient.phone_number.clone(),
                    age: None,
                },
                invoice_number: bill.invoice_number.clone(),
                invoice_date: bill.invoice_date,
                currency: clinic::currency(&bill.currency),
                method: method_name(language, &row.payment_method),
                amount: row.amount,
                fields,
                invoice_total: bill.total_amount,
                paid_total: sums.paid,
                remaining: sums.remaining(bill.total_amount),
                notes: row.notes.clone(),
                recorded_by: row.recorded_by_name.clone(),
            })
        })
        .await?;
    let file_name = format!("recu_{}.pdf", document.number);
    let bytes = tokio::task::spawn_blocking(move || documents::render_receipt(&document))
        .await
        .map_err(anyhow::Error::new)??;
    Ok(Paper { bytes, file_name })
}
