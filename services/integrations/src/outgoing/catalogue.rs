//! The types of outgoing events, and which event of the platform becomes which.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A type that an endpoint can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventType {
    /// Dotted name.
    pub name: &'static str,
    /// What it tells.
    pub description: &'static str,
}

const fn event(name: &'static str, description: &'static str) -> EventType {
    EventType { name, description }
}

/// Every type, by name.
pub const EVENT_TYPES: [EventType; 35] = [
    event(
        "access.break_glass",
        "A doctor opened a summary in an emergency, without the patient's code.",
    ),
    event(
        "access.denied",
        "A doctor's request for a summary ended without a grant.",
    ),
    event(
        "access.granted",
        "A patient let a doctor see the latest summary.",
    ),
    event("access.read", "A doctor read a patient's summary."),
    event("access.revoked", "A grant ended before its time."),
    event(
        "access_key.created",
        "A patient's permanent keys were made.",
    ),
    event(
        "access_key.regenerated",
        "A patient's permanent keys were made anew or handed out again.",
    ),
    event("content.approved", "A content was approved."),
    event("content.rejected", "A content was rejected."),
    event(
        "credential.expiring",
        "A provider's credential ends soon; its value is not told.",
    ),
    event("email.delivered", "An e-mail reached its receiver."),
    event("email.failed", "An e-mail will not reach its receiver."),
    event(
        "endpoint.disabled",
        "A webhook endpoint was switched off because it failed.",
    ),
    event("invoice.paid", "An invoice is paid in full."),
    event(
        "invoice.status_changed",
        "An invoice moved to another state.",
    ),
    event(
        "member.changed",
        "A membership of the organisation was made, changed or ended.",
    ),
    event(
        "otp.issued",
        "A one-time code was made; neither the code nor the number is told.",
    ),
    event(
        "payment.amended",
        "A payment recorded at the desk was corrected.",
    ),
    event("payment.expired", "An online payment was not made in time."),
    event("payment.failed", "An online payment ended without money."),
    event("payment.recorded", "A payment was recorded on an invoice."),
    event("payment.refunded", "Money of a payment went back."),
    event(
        "payment.success",
        "An online payment was confirmed by its provider.",
    ),
    event(
        "payment.voided",
        "A payment recorded at the desk was voided.",
    ),
    event(
        "provider.recovered",
        "A provider answers its health checks again.",
    ),
    event(
        "provider.unhealthy",
        "A provider failed three health checks in a row.",
    ),
    event(
        "reconciliation.alarmed",
        "Provider, payments and ledger differ.",
    ),
    event("report.released", "A report was released to its patient."),
    event(
        "session.revoked",
        "A session, or every session of a person, was ended.",
    ),
    event("sms.delivered", "A text message reached its receiver."),
    event("sms.failed", "A text message will not reach its receiver."),
    event("summary.created", "A summary of a conversation was made."),
    event("wallet.credited", "Money came to a wallet."),
    event("wallet.debited", "Money left a wallet."),
    event(
        "webhook.received",
        "A provider's webhook arrived with a good signature.",
    ),
];

/// Whether an endpoint may subscribe to this name.
pub fn is_known(name: &str) -> bool {
    EVENT_TYPES.iter().any(|kind| kind.name == name)
}

/// The outgoing type of a platform event, by its name and payload; `None` for one that is not told outside.
pub fn type_of(event: &str, payload: &Value) -> Option<&'static str> {
    let is = |member: &str, value: &str| payload[member] == value;
    let channel = |sms, email| if is("channel", "email") { email } else { sms };
    Some(match event {
        "auth.member_changed" => "member.changed",
        "auth.session_revoked" => "session.revoked",
        "auth.code_issued" => "otp.issued",
        "patient_access.granted" if payload["break_glass"] == true => "access.break_glass",
        "patient_access.granted" => "access.granted",
        "patient_access.denied" => "access.denied",
        "patient_access.viewed" => "access.read",
        "patient_access.revoked" => "access.revoked",
        "payments.payment_settled" => "payment.success",
        "payments.payment_failed" if is("status", "expired") => "payment.expired",
        "payments.payment_failed" => "payment.failed",
        "payments.payment_refunded" => "payment.refunded",
        "payments.wallet_credited" => "wallet.credited",
        "payments.wallet_debited" => "wallet.debited",
        "payments.reconciliation_alarmed" => "reconciliation.alarmed",
        "portal.credentials_issued" if payload["aggregate_version"] == 1 => "access_key.created",
        "portal.credentials_issued" => "access_key.regenerated",
        "portal.report_published" => "report.released",
        "portal.invoice_status_changed" if is("new_status", "paid") => "invoice.paid",
        "portal.invoice_status_changed" => "invoice.status_changed",
        "portal.payment_recorded" => "payment.recorded",
        "portal.payment_amended" => "payment.amended",
        "portal.payment_voided" => "payment.voided",
        "content.content_approved" => "content.approved",
        "content.content_rejected" => "content.rejected",
        "chat.summary_created" => "summary.created",
        "integrations.message_delivered" => channel("sms.delivered", "email.delivered"),
        "integrations.message_failed" => channel("sms.failed", "email.failed"),
        "integrations.webhook_received" => "webhook.received",
        "integrations.credential_expiring" => "credential.expiring",
        "integrations.webhook_endpoint_disabled" => "endpoint.disabled",
        "integrations.provider_unhealthy" => "provider.unhealthy",
        "integrations.provider_recovered" => "provider.recovered",
        _ => return None,
    })
}

/// What of a payload is told outside: ids, states and amounts as they are, the aggregate's version as `version`.
pub fn data_of(payload: &Value) -> Value {
    let mut data: Map<String, Value> = payload.as_object().cloned().unwrap_or_default();
    if let Some(version) = data.remove("aggregate_version") {
        data.insert("version".to_owned(), version);
    }
    Value::Object(data)
}

/// The data of an example of a type: recognisable as one, never of a real thing.
pub fn example_of(event_type: &str) -> Value {
    let nobody = "00000000-0000-0000-0000-000000000000";
    let subject = event_type.split('.').next().unwrap_or("event");
    json!({"example": true, format!("{subject}_id"): nobody, "organization_id": nobody, "version": 1})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_dotted_and_holds_every_mapping() {
        assert!(
            EVENT_TYPES
                .windows(2)
                .all(|pair| pair[0].name < pair[1].name)
        );
        for kind in EVENT_TYPES {
            let part = |part: &str| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            assert!(kind.name.split('.').all(part), "{}", kind.name);
        }
        let versions = [
            json!({"aggregate_version": 1}),
            json!({"aggregate_version": 2}),
            json!({"break_glass": true}),
            json!({"status": "expired"}),
            json!({"new_status": "paid"}),
            json!({"channel": "email"}),
        ];
        let mut reached: Vec<&str> = common_types::events::catalogue()
            .iter()
            .flat_map(|(name, _)| versions.iter().filter_map(|payload| type_of(name, payload)))
            .collect();
        reached.sort_unstable();
        reached.dedup();
        let known: Vec<&str> = EVENT_TYPES.iter().map(|kind| kind.name).collect();
        assert_eq!(
            reached, known,
            "each type has an event and each event a type"
        );
    }

    #[test]
    fn personal_data_is_never_told_outside() {
        for event in [
            "auth.user_registered",
            "auth.user_updated",
            "integrations.credential_changed",
        ] {
            assert_eq!(type_of(event, &json!({})), None);
        }
        assert_eq!(
            data_of(&json!({"payment_id": "p", "aggregate_version": 3})),
            json!({"payment_id": "p", "version": 3})
        );
    }
}
