//! Which event of the platform becomes which outgoing type, and what of it is told.

use serde_json::{Map, Value, json};

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
    use super::{super::event_type::EVENT_TYPES, *};

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
