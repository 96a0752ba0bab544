//! The invoice as PDF (cimef.md 3): only when paid, with the keys box.

use common_types::Language;
use documents::{Coverage, InvoiceDocument, KeysBox, Line, TaxRate};
use uuid::Uuid;

use super::{InvoiceError, settle, store};
use crate::{
    access,
    clinic::{self, Clinic},
    patient, payment,
    state::AppState,
    web::{Act, Who},
};

/// A finished paper.
#[derive(Debug)]
pub(crate) struct Paper {
    pub(crate) bytes: Vec<u8>,
    pub(crate) file_name: String,
}

/// Prints a paid invoice. `reprint` shows the password again; without it the first print alone does (decision 36).
///
/// # Errors
/// [`InvoiceError::NotPaid`], [`InvoiceError::Paper`].
pub(crate) async fn print(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    language: Option<Language>,
    reprint: bool,
    with_keys: bool,
) -> Result<Paper, InvoiceError> {
    let now = state.now();
    let (document, full_name) = state
        .db
        .transaction(async |conn| {
            let row = store::find_invoice_by_number(conn, organization, number)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            if row.status != "paid" {
                return Err(InvoiceError::NotPaid);
            }
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let patient =
                patient::get_patient_of_any_state(conn, organization, row.patient_id).await?;
            let lines = store::list_lines(conn, organization, &[row.id]).await?;
            let sums = settle::totals(conn, organization, &[row.id])
                .await?
                .remove(&row.id)
                .unwrap_or_default();
            let coverage = payment::newest_coverage(conn, organization, row.id).await?;
            let mut keys = None;
            if with_keys
                && state.settings.invoices.keys_box
                && let Some(access_id) = row.access_id
            {
                let access = access::lock_access(conn, organization, access_id).await?;
                if access.is_active {
                    let show = reprint || access.password_shown_at.is_none();
                    keys = Some(KeysBox {
                        access_key: access::opened_key(state, &access)?.to_string(),
                        password: if show {
                            Some(access::opened_password(state, &access)?.to_string())
                        } else {
                            None
                        },
                        portal_url: state.settings.portal.url.clone(),
                    });
                    if show {
                        access::note_password_shown(conn, access.id, now).await?;
                    }
                    let act = Act::on("access.printed", "patient", &[patient.id])
                        .with(serde_json::json!({"invoice_id": row.id, "password": show}));
                    who.record(conn, act, now).await?;
                }
            }
            let act = Act::on("invoice.printed", "invoice", &[row.id])
                .with(serde_json::json!({ "patient_id": patient.id }));
            who.record(conn, act, now).await?;
            let document = InvoiceDocument {
                language: language.unwrap_or_else(|| clinic::language(&patient.language)),
                organization: clinic.on_paper(),
                number: row.invoice_number.clone(),
                issued_on: row.invoice_date,
                patient: documents::Patient {
                    full_name: patient.full_name(),
                    phone: patient.phone_number.clone(),
                    age: patient.age.and_then(|age| u16::try_from(age).ok()),
                },
                currency: clinic::currency(&row.currency),
                lines: lines
                    .into_iter()
                    .map(|line| Line {
                        description: line.description,
                        quantity: line.quantity,
                        unit_price: line.unit_price_amount,
                        total: line.total_amount,
                    })
                    .collect(),
                subtotal: row.subtotal_amount,
                tax_rate: TaxRate(row.tax_rate_hundredths.unsigned_abs()),
                tax: row.tax_amount,
                total: row.total_amount,
                discount: sums.discount.clamp(0, row.total_amount),
                coverage: coverage.map(|(name, hundredths)| Coverage {
                    name,
                    rate: TaxRate(hundredths.unsigned_abs()),
                    amount: share(row.total_amount, hundredths),
                }),
                keys,
                closing: String::new(),
            };
            Ok((document, patient.full_name()))
        })
        .await?;
    let keyed = if document.keys.is_some() {
        "_avec_cles"
    } else {
        ""
    };
    let file_name = format!(
        "facture_{}_{}{keyed}.pdf",
        document.number,
        full_name.replace(char::is_whitespace, "_")
    );
    let bytes = tokio::task::spawn_blocking(move || documents::render_invoice(&document))
        .await
        .map_err(anyhow::Error::new)??;
    Ok(Paper { bytes, file_name })
}

/// That share of a total, rounded down.
fn share(total: i64, hundredths: i32) -> i64 {
    i64::try_from(i128::from(total) * i128::from(hundredths) / 10_000).unwrap_or(0)
}
