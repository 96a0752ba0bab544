//! What a document says, before language and layout.

use chrono::{NaiveDate, NaiveDateTime};
use common_types::{Currency, Language};

use crate::DocumentError;

/// The clinic in the header and footer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organization {
    /// Its name, in the script it writes itself in.
    pub name: String,
    /// Postal address, one line.
    pub address: String,
    /// Telephone as printed.
    pub phone: String,
    /// E-mail address.
    pub email: String,
    /// Registrations for the footer, such as `("RCCM", "SN-THS-…")`.
    pub registrations: Vec<(String, String)>,
}

/// The person the document is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Full name.
    pub full_name: String,
    /// Telephone as printed, when known.
    pub phone: Option<String>,
    /// Age in years, when known.
    pub age: Option<u16>,
}

/// A tax rate in hundredths of a percent: 18 % is 1800.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxRate(pub u32);

/// One line of an invoice; amounts in minor units of the invoice's currency, tax included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was done.
    pub description: String,
    /// How many times, at least 1.
    pub quantity: i64,
    /// Price of one.
    pub unit_price: i64,
    /// Quantity times unit price.
    pub total: i64,
}

/// The part an insurer announced to take over; informational.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Name of the insurer.
    pub name: String,
    /// Share in hundredths of a percent.
    pub rate: TaxRate,
    /// Amount in minor units.
    pub amount: i64,
}

/// The patient's permanent keys, printed so that paper alone opens the portal (contract R09).
#[derive(Clone, PartialEq, Eq)]
pub struct KeysBox {
    /// Twelve characters.
    pub access_key: String,
    /// The password, or none when this copy must not carry it.
    pub password: Option<String>,
    /// Address of the patient portal's login page.
    pub portal_url: String,
}

impl std::fmt::Debug for KeysBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeysBox")
            .field("portal_url", &self.portal_url)
            .finish_non_exhaustive()
    }
}

impl KeysBox {
    /// The address inside the QR code. Keys stand in the fragment only: a fragment is never sent
    /// to a server, so no proxy or log sees them (decision 35).
    pub(crate) fn link(&self) -> String {
        let base = self.portal_url.split('#').next().unwrap_or_default();
        match &self.password {
            Some(password) => format!("{base}#key={}&password={password}", self.access_key),
            None => format!("{base}#key={}", self.access_key),
        }
    }
}

/// An invoice as it is printed. All amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceDocument {
    /// Language of the labels, digits and dates.
    pub language: Language,
    /// Who issues it.
    pub organization: Organization,
    /// Such as `FAC-000001`.
    pub number: String,
    /// Date of issue in the clinic's time zone.
    pub issued_on: NaiveDate,
    /// Whom it is for.
    pub patient: Patient,
    /// Currency of every amount.
    pub currency: Currency,
    /// At least one line.
    pub lines: Vec<Line>,
    /// Total without the tax inside it.
    pub subtotal: i64,
    /// Rate of the tax inside the total.
    pub tax_rate: TaxRate,
    /// The tax inside the total.
    pub tax: i64,
    /// Sum of the lines.
    pub total: i64,
    /// Discounts granted, 0 when none.
    pub discount: i64,
    /// What an insurer announced to pay.
    pub coverage: Option<Coverage>,
    /// The keys, or none for a copy without the box.
    pub keys: Option<KeysBox>,
    /// A closing sentence of the clinic, empty for the usual thanks.
    pub closing: String,
}

impl InvoiceDocument {
    /// What the patient has to pay: total less coverage and discount.
    #[must_use]
    pub fn payable(&self) -> i64 {
        self.total - self.discount - self.coverage.as_ref().map_or(0, |coverage| coverage.amount)
    }

    /// Splits the discount over the lines in proportion to their totals, the rest on the last
    /// line, so that the column adds up to the discount exactly.
    pub(crate) fn line_discounts(&self) -> Vec<i64> {
        let mut parts: Vec<i64> = self
            .lines
            .iter()
            .map(|line| {
                if self.total == 0 {
                    return 0;
                }
                let part =
                    i128::from(self.discount) * i128::from(line.total) / i128::from(self.total);
                i64::try_from(part).unwrap_or(0)
            })
            .collect();
        let rest = self.discount - parts.iter().sum::<i64>();
        if let Some(last) = parts.last_mut() {
            *last += rest;
        }
        parts
    }

    pub(crate) fn check(&self) -> Result<(), DocumentError> {
        if self.lines.is_empty() {
            return Err(DocumentError::Inconsistent(
                "an invoice has at least one line",
            ));
        }
        let sum = self
            .lines
            .iter()
            .try_fold(0_i64, |sum, line| sum.checked_add(line.total));
        if sum != Some(self.total) {
            return Err(DocumentError::Inconsistent(
                "the lines do not add up to the total",
            ));
        }
        if self.subtotal.checked_add(self.tax) != Some(self.total) {
            return Err(DocumentError::Inconsistent(
                "subtotal and tax do not add up to the total",
            ));
        }
        if self.discount < 0 || self.discount > self.total {
            return Err(DocumentError::Inconsistent(
                "the discount is outside the total",
            ));
        }
        Ok(())
    }
}

/// One more labelled line of a receipt, such as an operator's reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptField {
    /// Label in the document's language.
    pub label: String,
    /// Value, printed left to right.
    pub value: String,
}

/// The receipt of one completed payment. All amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptDocument {
    /// Language of the labels, digits and dates.
    pub language: Language,
    /// Who received the money.
    pub organization: Organization,
    /// Such as `REC-20261121-000001`.
    pub number: String,
    /// When it was paid, in the clinic's time zone.
    pub paid_at: NaiveDateTime,
    /// Who paid.
    pub patient: Patient,
    /// The invoice's number; empty for a payment without invoice, whose receipt has no summary.
    pub invoice_number: String,
    /// The invoice's date.
    pub invoice_date: NaiveDate,
    /// Currency of every amount.
    pub currency: Currency,
    /// Name of the payment method in the document's language.
    pub method: String,
    /// What was paid now.
    pub amount: i64,
    /// References that are set.
    pub fields: Vec<ReceiptField>,
    /// The invoice's total.
    pub invoice_total: i64,
    /// Paid on the invoice so far, this payment included.
    pub paid_total: i64,
    /// Still to be paid.
    pub remaining: i64,
    /// Free text, empty when none.
    pub notes: String,
    /// Who recorded the payment, empty when nobody did by hand.
    pub recorded_by: String,
}
