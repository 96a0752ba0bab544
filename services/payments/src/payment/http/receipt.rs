//! The receipt of a paid payment.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use common_types::{Currency, Language, Money, PhoneNumber};
use documents::{Organization, Patient, ReceiptDocument, ReceiptField};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use uuid::Uuid;

use crate::{
    AppState,
    payment::{Origin, Payment, PaymentError, Purpose, WALLET},
    person,
};

/// The receipt as PDF; who printed it is written down first.
pub(super) async fn print(
    state: &AppState,
    payment: &Payment,
    language: Language,
    by: Uuid,
    origin: &Origin,
) -> Result<Vec<u8>, PaymentError> {
    let paid_at = payment.completed_at.ok_or(PaymentError::NoReceipt)?;
    let now = state.now();
    let payer = state
        .stack
        .db
        .transaction(async |conn| {
            let entry = AuditEntry::new(by.to_string(), ActorKind::User, "receipt.printed", now)
                .subject("payment", payment.id)
                .organization(Some(payment.organization_id))
                .origin(Some(origin.ip), origin.request_id.clone())
                .details(json!({ "language": language.as_str() }));
            service_audit::record(conn, entry).await?;
            Ok::<_, PaymentError>(match payment.payer_id {
                Some(payer) => person::find_person(conn, payer).await?,
                None => None,
            })
        })
        .await?;
    let (name, phone) = payer.unwrap_or_default();
    let local = local_time(paid_at, payment.price.currency);
    let phone = phone
        .and_then(|phone| PhoneNumber::parse(&phone).ok())
        .map(|phone| phone.national());
    let document = ReceiptDocument {
        language,
        organization: Organization {
            name: state.rules.receipt_name.clone(),
            ..Organization::default()
        },
        number: payment.id.to_string(),
        paid_at: local,
        patient: Patient {
            full_name: match name.is_empty() {
                true => "—".to_owned(),
                false => name,
            },
            phone,
            age: None,
        },
        // The payment's own number stands at its head; an invoice is printed by portal.
        invoice_number: String::new(),
        invoice_date: local.date(),
        currency: payment.price.currency,
        method: method(language, &payment.provider).to_owned(),
        amount: payment.price.amount,
        fields: fields(language, payment),
        invoice_total: payment.price.amount,
        paid_total: payment.price.amount,
        remaining: 0,
        notes: payment.description.clone(),
        recorded_by: String::new(),
    };
    let paper = tokio::task::spawn_blocking(move || documents::render_receipt(&document));
    Ok(paper
        .await
        .map_err(anyhow::Error::new)?
        .map_err(anyhow::Error::new)?)
}

fn fields(language: Language, payment: &Payment) -> Vec<ReceiptField> {
    let (tracking, reference) = match language {
        Language::Fa => ("شمارهٔ پیگیری", "شمارهٔ درگاه"),
        Language::Fr => ("Numéro de suivi", "Référence du prestataire"),
        Language::En => ("Tracking number", "Provider's reference"),
    };
    let (what, gone) = match language {
        Language::Fa => ("بابت", "بازگشت داده شده"),
        Language::Fr => ("Objet", "Remboursé"),
        Language::En => ("For", "Given back"),
    };
    let refunded = Money::new(payment.refunded_amount, payment.price.currency);
    let refunded = (payment.refunded_amount > 0).then(|| refunded.to_string());
    [
        (what, Some(purpose(language, payment.purpose).to_owned())),
        (tracking, payment.tracking_code.clone()),
        (reference, payment.provider_reference.clone()),
        (gone, refunded),
    ]
    .into_iter()
    .filter_map(|(label, value)| {
        Some(ReceiptField {
            label: label.to_owned(),
            value: value?,
        })
    })
    .collect()
}

fn purpose(language: Language, purpose: Purpose) -> &'static str {
    let (fa, fr, en) = match purpose {
        Purpose::Invoice => (
            "پرداخت صورت‌حساب",
            "Paiement d’une facture",
            "Payment of an invoice",
        ),
        Purpose::WalletCharge => (
            "شارژ کیف پول",
            "Recharge du portefeuille",
            "Charge of a wallet",
        ),
        Purpose::Soapify => (
            "پرداخت برای SOAPify",
            "Paiement pour SOAPify",
            "Payment for SOAPify",
        ),
        Purpose::Service => (
            "پرداخت خدمات",
            "Paiement d’un service",
            "Payment of a service",
        ),
    };
    in_language(language, fa, fr, en)
}

/// The clock on the wall where the currency is paid with: Tehran for the rial (half past three ahead all year since 2022),
/// Dakar and Abidjan otherwise, where it shows UTC.
fn local_time(at: DateTime<Utc>, currency: Currency) -> NaiveDateTime {
    let ahead = match currency {
        Currency::Irr | Currency::Irt => TimeDelta::minutes(210),
        Currency::Xof | Currency::Eur | Currency::Usd => TimeDelta::zero(),
    };
    (at + ahead).naive_utc()
}

fn method(language: Language, provider: &str) -> &'static str {
    match provider {
        WALLET => in_language(language, "کیف پول", "Portefeuille", "Wallet"),
        _ => in_language(
            language,
            "پرداخت برخط",
            "Paiement en ligne",
            "Online payment",
        ),
    }
}

fn in_language<'a>(language: Language, fa: &'a str, fr: &'a str, en: &'a str) -> &'a str {
    match language {
        Language::Fa => fa,
        Language::Fr => fr,
        Language::En => en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_evening_in_tehran_is_the_next_day_already() {
        let at = DateTime::parse_from_rfc3339("2026-11-21T21:00:00Z")
            .unwrap()
            .to_utc();
        assert_eq!(
            local_time(at, Currency::Irr).to_string(),
            "2026-11-22 00:30:00"
        );
        assert_eq!(
            local_time(at, Currency::Xof).to_string(),
            "2026-11-21 21:00:00"
        );
    }
}
