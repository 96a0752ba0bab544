use async_trait::async_trait;
use common_types::{
    Money,
    clock::SharedClock,
    events::{
        Envelope,
        portal::{PaymentAmended, PaymentRecorded, PaymentVoided},
    },
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::service::{Recorded, book};

/// Books what portal says of recorded payments.
#[derive(Clone)]
pub(crate) struct BookRecorded(pub(crate) SharedClock);

#[async_trait]
impl EventHandler<PaymentRecorded> for BookRecorded {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: PaymentRecorded,
    ) -> Result<(), HandlerError> {
        let recorded = Recorded {
            id: event.recorded_payment_id,
            organization_id: event.organization_id,
            version: event.aggregate_version,
            price: Money::new(event.amount, event.currency),
            method: &event.method,
            invoice_id: event.invoice_id,
            online: event.online_payment_id,
        };
        book(conn, &recorded, self.0.now()).await
    }
}

#[async_trait]
impl EventHandler<PaymentAmended> for BookRecorded {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: PaymentAmended,
    ) -> Result<(), HandlerError> {
        let recorded = Recorded {
            id: event.recorded_payment_id,
            organization_id: event.organization_id,
            version: event.aggregate_version,
            price: Money::new(event.amount, event.currency),
            method: &event.method,
            invoice_id: event.invoice_id,
            online: None,
        };
        book(conn, &recorded, self.0.now()).await
    }
}

#[async_trait]
impl EventHandler<PaymentVoided> for BookRecorded {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: PaymentVoided,
    ) -> Result<(), HandlerError> {
        let recorded = Recorded {
            id: event.recorded_payment_id,
            organization_id: event.organization_id,
            version: event.aggregate_version,
            price: Money::zero(event.currency),
            method: "",
            invoice_id: event.invoice_id,
            online: None,
        };
        book(conn, &recorded, self.0.now()).await
    }
}
