//! Matching a report with an invoice by their keys (R08) and opening it to the patient (R07).

use chrono::{DateTime, Utc};
use common_types::events::portal::ReportPublished;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use uuid::Uuid;

use super::{
    error::ReportError,
    store::{self, Activation, ReportRow},
};
use crate::{
    access, delivery, invoice, patient,
    state::{AppState, SERVICE},
    web::{Act, Who},
};

/// R08: the invoice's id and number when there is one with these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match(pub(crate) Option<(Uuid, String)>);

impl Match {
    pub(crate) fn message(&self) -> String {
        match &self.0 {
            Some((_, number)) => format!("Clés validées avec facture {number}"),
            None => "Aucune facture trouvée avec ces clés".to_owned(),
        }
    }
}

/// # Errors
/// When the database refuses.
pub(crate) async fn validate_invoice_key_match(
    conn: &mut AsyncPgConnection,
    row: &ReportRow,
) -> diesel::QueryResult<Match> {
    let found =
        invoice::find_paid_for_access(conn, row.organization_id, row.patient_id, row.access_id)
            .await?;
    Ok(Match(found.map(|bill| (bill.id, bill.invoice_number))))
}

/// Opens a report to its patient and tells them.
///
/// `reason` overrides a missing match; it is audited.
///
/// # Errors
/// [`ReportError::AccessInvalid`], [`ReportError::NoMatch`].
pub(crate) async fn validate_and_activate(
    conn: &mut AsyncPgConnection,
    row: &ReportRow,
    reason: Option<&str>,
    who: &Who,
    now: DateTime<Utc>,
) -> Result<(ReportRow, Match), ReportError> {
    let keys = access::find_access(conn, row.organization_id, row.access_id).await?;
    if !keys.is_some_and(|keys| keys.is_active) {
        return Err(ReportError::AccessInvalid);
    }
    let matched = validate_invoice_key_match(conn, row).await?;
    let how = match (&matched.0, reason) {
        (Some((invoice, _)), _) => Activation {
            invoice: Some(*invoice),
            ..Activation::default()
        },
        (None, Some(reason)) => Activation {
            override_reason: Some(reason),
            override_by: who.user(),
            ..Activation::default()
        },
        (None, None) => return Err(ReportError::NoMatch),
    };
    let activated = store::activate(conn, row.id, how, now).await?;
    let act = Act::on("report.activated", "report", &[row.id]).with(serde_json::json!({
        "patient_id": row.patient_id,
        "invoice_id": how.invoice,
        "override": how.override_reason.is_some(),
        "reason": how.override_reason,
    }));
    who.record(conn, act, now).await?;
    let event = ReportPublished {
        report_id: activated.id,
        aggregate_version: activated.version,
        organization_id: activated.organization_id,
        patient_id: activated.patient_id,
        access_id: activated.access_id,
        invoice_id: how.invoice,
        published_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    if let Some(patient) = patient::find_patient(conn, row.organization_id, row.patient_id).await? {
        delivery::queue(conn, delivery::Kind::ReportReady, row.id, &patient, now).await?;
    }
    Ok((activated, matched))
}

/// Closes an open report, opens a closed one.
///
/// # Errors
/// As [`validate_and_activate`].
pub(crate) async fn toggle(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    id: Uuid,
    reason: Option<&str>,
) -> Result<(ReportRow, String), ReportError> {
    let now = state.now();
    let toggled = state
        .db
        .transaction(async |conn| {
            let row = store::lock_report(conn, organization, id)
                .await?
                .ok_or(ReportError::NotFound)?;
            if row.is_active {
                let row = store::deactivate(conn, row.id, now).await?;
                let act = Act::on("report.deactivated", "report", &[row.id])
                    .with(serde_json::json!({ "patient_id": row.patient_id }));
                who.record(conn, act, now).await?;
                return Ok((row, "Rapport désactivé".to_owned()));
            }
            let (row, matched) = validate_and_activate(conn, &row, reason, who, now).await?;
            let message = if matched.0.is_some() {
                matched.message()
            } else {
                "Rapport activé sans facture".to_owned()
            };
            Ok::<_, ReportError>((row, message))
        })
        .await?;
    state.outbox.wake();
    Ok(toggled)
}
