//! What the templates lay out: every number and date already written as text.

use common_types::Language;
use serde::Serialize;

use crate::{
    InvoiceDocument, Organization, Patient, ReceiptDocument,
    format::{amount, currency_name, date, digits, percent},
    labels::{Labels, labels},
};

#[derive(Debug, Serialize)]
pub(crate) struct Head {
    lang: &'static str,
    rtl: bool,
    /// French sets a space before its colon.
    colon: &'static str,
    title: String,
    labels: &'static Labels,
    organization: OrganizationView,
    patient: PatientView,
    currency: &'static str,
}

#[derive(Debug, Serialize)]
struct OrganizationView {
    name: String,
    address: String,
    phone: String,
    email: String,
    registrations: Vec<[String; 2]>,
}

#[derive(Debug, Serialize)]
struct PatientView {
    full_name: String,
    phone: Option<String>,
    age: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct InvoiceView {
    #[serde(flatten)]
    head: Head,
    number: String,
    date: String,
    lines: Vec<LineView>,
    has_discount: bool,
    /// Label, amount, kind: plain, strong or final.
    totals: Vec<(String, String, &'static str)>,
    keys: Option<KeysView>,
    closing: String,
}

#[derive(Debug, Serialize)]
struct LineView {
    description: String,
    quantity: String,
    unit_price: String,
    discount: String,
    total: String,
}

#[derive(Debug, Serialize)]
struct KeysView {
    access_key: String,
    password: Option<String>,
    portal_url: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReceiptView {
    #[serde(flatten)]
    head: Head,
    number: String,
    date: String,
    time: String,
    invoice_number: String,
    invoice_date: String,
    method: String,
    amount: String,
    fields: Vec<[String; 2]>,
    invoice_total: String,
    paid_total: String,
    remaining: String,
    settled: bool,
    notes: String,
    recorded_by: String,
}

fn head(
    language: Language,
    title: &str,
    organization: &Organization,
    patient: &Patient,
    currency: common_types::Currency,
) -> Head {
    Head {
        lang: language_code(language),
        rtl: language == Language::Fa,
        colon: if language == Language::Fr {
            "\u{00A0}:"
        } else {
            ":"
        },
        title: title.to_owned(),
        labels: labels(language),
        organization: OrganizationView {
            name: organization.name.clone(),
            address: organization.address.clone(),
            phone: organization.phone.clone(),
            email: organization.email.clone(),
            registrations: organization
                .registrations
                .iter()
                .map(|(name, value)| [name.clone(), value.clone()])
                .collect(),
        },
        patient: PatientView {
            full_name: patient.full_name.clone(),
            phone: patient.phone.clone(),
            age: patient.age.map(|age| age_text(language, age)),
        },
        currency: currency_name(language, currency),
    }
}

const fn language_code(language: Language) -> &'static str {
    match language {
        Language::Fa => "fa",
        Language::Fr => "fr",
        Language::En => "en",
    }
}

fn age_text(language: Language, age: u16) -> String {
    match language {
        Language::Fa => digits(language, &format!("{age} سال")),
        Language::Fr => format!("{age} ans"),
        Language::En => age.to_string(),
    }
}

pub(crate) fn invoice(document: &InvoiceDocument) -> InvoiceView {
    let language = document.language;
    let words = labels(language);
    let money = |minor| amount(language, document.currency, minor);
    let mut totals = vec![
        (words.subtotal.to_owned(), money(document.subtotal), "plain"),
        (
            format!("{} ({})", words.tax, percent(language, document.tax_rate.0)),
            money(document.tax),
            "plain",
        ),
        (words.total.to_owned(), money(document.total), "strong"),
    ];
    if document.discount > 0 {
        totals.push((
            words.discount.to_owned(),
            money(-document.discount),
            "plain",
        ));
    }
    if let Some(coverage) = &document.coverage {
        let name = if coverage.name.is_empty() {
            String::new()
        } else {
            format!(" \u{2013} {}", coverage.name)
        };
        let label = format!(
            "{} ({}){name}",
            words.coverage,
            percent(language, coverage.rate.0)
        );
        totals.push((label, money(-coverage.amount), "plain"));
    }
    totals.push((words.payable.to_owned(), money(document.payable()), "final"));
    InvoiceView {
        head: head(
            language,
            words.invoice,
            &document.organization,
            &document.patient,
            document.currency,
        ),
        number: document.number.clone(),
        date: date(language, document.issued_on),
        lines: document
            .lines
            .iter()
            .zip(document.line_discounts())
            .map(|(line, discount)| LineView {
                description: line.description.clone(),
                quantity: digits(language, &line.quantity.to_string()),
                unit_price: money(line.unit_price),
                discount: money(discount),
                total: money(line.total),
            })
            .collect(),
        has_discount: document.discount > 0,
        totals,
        keys: document.keys.as_ref().map(|keys| KeysView {
            access_key: keys.access_key.clone(),
            password: keys.password.clone(),
            portal_url: keys
                .portal_url
                .split('#')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }),
        closing: if document.closing.is_empty() {
            words.thanks.to_owned()
        } else {
            document.closing.clone()
        },
    }
}

pub(crate) fn receipt(document: &ReceiptDocument) -> ReceiptView {
    let language = document.language;
    let money = |minor| amount(language, document.currency, minor);
    let time = digits(language, &document.paid_at.format("%H:%M").to_string());
    ReceiptView {
        head: head(
            language,
            labels(language).receipt,
            &document.organization,
            &document.patient,
            document.currency,
        ),
        number: document.number.clone(),
        date: date(language, document.paid_at.date()),
        time,
        invoice_number: document.invoice_number.clone(),
        invoice_date: date(language, document.invoice_date),
        method: document.method.clone(),
        amount: money(document.amount),
        fields: document
            .fields
            .iter()
            .map(|field| [field.label.clone(), field.value.clone()])
            .collect(),
        invoice_total: money(document.invoice_total),
        paid_total: money(document.paid_total),
        remaining: money(document.remaining),
        settled: document.remaining <= 0,
        notes: document.notes.clone(),
        recorded_by: document.recorded_by.clone(),
    }
}
