//! The papers a clinic hands out: invoices and receipts as PDF, in Persian, French and English.
//!
//! Rendering is pure and deterministic: the same input gives the same bytes. Nothing is read from
//! the machine (fonts and templates are embedded), and nothing of a document stays behind in the
//! typesetter's cache. It takes milliseconds of CPU, so callers run it off their async threads.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod format;
mod labels;
mod model;
mod qr;
mod view;
mod world;

pub use format::{amount, date, digits, percent};
pub use model::{
    Coverage, InvoiceDocument, KeysBox, Line, Organization, Patient, ReceiptDocument, ReceiptField,
    TaxRate,
};

use world::Template;

/// Why a document could not be rendered. The message is for the log and holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The numbers of the document contradict each other (named in words).
    #[error("the document contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// The portal address is too long for a QR code.
    #[error("the portal address does not fit a QR code")]
    QrCode,
    /// The typesetter refused the template.
    #[error("the document could not be typeset: {0}")]
    Typesetting(String),
}

/// Renders an invoice as a PDF file.
///
/// # Errors
/// [`DocumentError::Inconsistent`] when the lines do not add up to the total, else the
/// typesetter's refusal.
pub fn render_invoice(document: &InvoiceDocument) -> Result<Vec<u8>, DocumentError> {
    document.check()?;
    world::render(Template::Invoice, invoice_inputs(document)?)
}

/// Renders the receipt of one completed payment as a PDF file.
///
/// # Errors
/// The typesetter's refusal.
pub fn render_receipt(document: &ReceiptDocument) -> Result<Vec<u8>, DocumentError> {
    world::render(Template::Receipt, receipt_inputs(document)?)
}

fn invoice_inputs(document: &InvoiceDocument) -> Result<world::Inputs, DocumentError> {
    let qr = document
        .keys
        .as_ref()
        .map(|keys| qr::svg(&keys.link()))
        .transpose()?;
    world::Inputs::new(&view::invoice(document), qr)
}

fn receipt_inputs(document: &ReceiptDocument) -> Result<world::Inputs, DocumentError> {
    world::Inputs::new(&view::receipt(document), None)
}

#[cfg(test)]
mod tests;
