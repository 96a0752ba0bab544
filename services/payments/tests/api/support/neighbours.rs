//! What portal and integrations say.

use common_types::events::{Event, integrations::WebhookReceived};
use serde_json::{Value, json};
use service_db::DbError;
use uuid::Uuid;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use super::Clinic;

impl Clinic {
    /// An invoice that portal knows.
    pub(crate) async fn invoice(&self, amount: i64, status: &str) -> Uuid {
        self.invoice_of(self.organization, amount, status).await
    }

    pub(crate) async fn invoice_of(&self, organization: Uuid, amount: i64, status: &str) -> Uuid {
        let id = Uuid::now_v7();
        let body = json!({
            "invoice_id": id, "number": 1, "invoice_number": "FAC-000001",
            "organization_id": organization, "patient_id": Uuid::now_v7(),
            "patient_name": "Awa", "amount": amount, "currency": "XOF", "status": status,
        });
        Mock::given(method("GET"))
            .and(path(format!("/internal/invoices/{id}/payable/")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&self.portal)
            .await;
        id
    }

    /// An invoice in another currency that portal knows.
    pub(crate) async fn invoice_in(&self, amount: i64, currency: &str) -> Uuid {
        let id = Uuid::now_v7();
        let body = json!({
            "invoice_id": id, "number": 1, "invoice_number": "FAC-000001",
            "organization_id": self.organization, "patient_id": Uuid::now_v7(),
            "patient_name": "Awa", "amount": amount, "currency": currency, "status": "sent",
        });
        Mock::given(method("GET"))
            .and(path(format!("/internal/invoices/{id}/payable/")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&self.portal)
            .await;
        id
    }

    /// Emits an event as another service would, through the broker.
    pub(crate) async fn emit<E: Event>(&self, source: &str, event: &E) {
        let emitted = self.db().transaction(async |conn| {
            Ok::<_, DbError>(
                service_events::outbox::emit(conn, source, event, chrono::Utc::now()).await?,
            )
        });
        emitted.await.unwrap();
        self.service.stack.outbox.wake();
    }

    /// What integrations says when a payment webhook came.
    pub(crate) async fn webhook(&self, order: &str, reference: Option<&str>, kind: &str) {
        let event = WebhookReceived {
            webhook_event_id: Uuid::now_v7(),
            aggregate_version: 1,
            organization_id: None,
            endpoint: "payment-status".into(),
            provider_slug: "sandbox".into(),
            event_type: kind.into(),
            provider_reference: reference.map(str::to_owned),
            order_reference: Some(order.to_owned()),
            received_at: chrono::Utc::now(),
        };
        self.emit("integrations", &event).await;
    }

    /// Events of one kind in the outbox.
    pub(crate) async fn events_named(&self, name: &str) -> Vec<Value> {
        let events = service_testing::published_events(self.db()).await;
        events
            .into_iter()
            .filter(|event| event.name == name)
            .map(|event| event.payload)
            .collect()
    }
}
