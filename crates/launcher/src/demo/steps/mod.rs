//! The ten steps, each in the room of what it is about.

mod clinic;
mod consent;
mod content;
mod identity;
mod money;
mod reports;
mod talk;

use std::time::Instant;

use anyhow::{Context, Result};

use super::Story;
use crate::ui;
pub use clinic::{Invoice, Patient, create_invoice, exam_type, register_patient, wait_paid};
pub use money::{pay_invoice, pay_on_hosted_page};
pub use reports::{Keys, portal_login, sample_report, upload_report, wait_keys};

/// Tells every step in order.
pub(super) async fn all(story: &Story) -> Result<()> {
    let secretary = tell(
        story,
        1,
        "A secretary logs in by SMS code",
        identity::secretary_logs_in(story),
    )
    .await?;
    let (patient, invoice) = tell(
        story,
        2,
        "She registers a patient and an exam, and makes an invoice",
        clinic::register(story, &secretary),
    )
    .await?;
    tell(
        story,
        3,
        "The invoice is paid online at the sandbox provider",
        money::invoice_is_paid(story, &secretary, &invoice),
    )
    .await?;
    let keys = tell(
        story,
        4,
        "The paid invoice gives the patient permanent keys, by SMS, e-mail and on paper",
        reports::keys_arrive(story, &secretary, &patient, &invoice),
    )
    .await?;
    let report = tell(
        story,
        5,
        "Staff upload the report; keys and invoice match; it is activated; the patient is told",
        reports::report_is_published(story, &secretary, &patient, &invoice),
    )
    .await?;
    tell(
        story,
        6,
        "The patient logs in with key and password and downloads the report",
        reports::patient_reads(story, &secretary, &keys, &report),
    )
    .await?;
    let talked = tell(
        story,
        7,
        "Patient and doctor chat over WebSocket; a summary is made",
        talk::patient_and_doctor(story, &patient),
    )
    .await?;
    tell(
        story,
        8,
        "The doctor asks for access, the patient's code opens the latest summary",
        consent::doctor_reads_summary(story, &patient, &keys, &talked),
    )
    .await?;
    tell(
        story,
        9,
        "The doctor pays for a SOAPify user and charges the wallet",
        money::doctor_pays(story),
    )
    .await?;
    tell(
        story,
        10,
        "A writer generates content, an editor approves it, usage is counted",
        content::written_and_approved(story),
    )
    .await
}

async fn tell<T>(
    story: &Story,
    number: u8,
    title: &str,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    if let Some(before) = &story.before_step {
        before(number).await;
    }
    ui::line(format!("{number:>4}. {title}"));
    let started = Instant::now();
    let result = step
        .await
        .with_context(|| format!("step {number} ({title}) went wrong"))?;
    ui::line(format!("      ✓ {}\n", ui::duration(started.elapsed())));
    Ok(result)
}
