//! Events of the platform become messages, in the transaction that consumes them.

use async_trait::async_trait;
use common_types::{
    Language,
    events::{
        Envelope, Event,
        auth::{CodeIssued, MemberChanged, SessionRevoked},
        chat::SummaryCreated,
        content::{ContentApproved, ContentRejected},
        integrations::{
            CredentialExpiring, MessageDelivered, MessageFailed, ProviderRecovered,
            ProviderUnhealthy, WebhookEndpointDisabled, WebhookReceived,
        },
        patient_access::{Denied, Granted, Revoked, Viewed},
        payments::{
            PaymentFailed, PaymentRefunded, PaymentSettled, ReconciliationAlarmed, WalletCredited,
            WalletDebited,
        },
        portal::{
            CredentialsIssued, InvoiceStatusChanged, PaymentAmended, PaymentRecorded,
            PaymentVoided, ReportPublished,
        },
    },
    internal::integrations::{Channel, DeliveryMode, MessagePurpose, SendMessageRequest},
};
use diesel_async::AsyncPgConnection;
use service_events::{Consumers, EventHandler, HandlerError};
use uuid::Uuid;

use super::{
    catalogue,
    endpoint_store::{self, Owner},
    store::{self, NewMessage},
};
use crate::{AppState, message, state::SERVICE};

const FAMILY: &str = "outgoing-webhooks";

/// Every event that is told outside.
pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let tell = || Tell {
        state: state.clone(),
    };
    consumers
        .on::<MemberChanged>(FAMILY, tell())
        .on::<SessionRevoked>(FAMILY, tell())
        .on::<CodeIssued>(FAMILY, tell())
        .on::<SummaryCreated>(FAMILY, tell())
        .on::<ContentApproved>(FAMILY, tell())
        .on::<ContentRejected>(FAMILY, tell())
        .on::<MessageDelivered>(FAMILY, tell())
        .on::<MessageFailed>(FAMILY, tell())
        .on::<CredentialExpiring>(FAMILY, tell())
        .on::<ProviderUnhealthy>(FAMILY, tell())
        .on::<ProviderRecovered>(FAMILY, tell())
        .on::<WebhookReceived>(FAMILY, tell())
        .on::<WebhookEndpointDisabled>(FAMILY, tell())
        .on::<Granted>(FAMILY, tell())
        .on::<Denied>(FAMILY, tell())
        .on::<Viewed>(FAMILY, tell())
        .on::<Revoked>(FAMILY, tell())
        .on::<PaymentSettled>(FAMILY, tell())
        .on::<PaymentFailed>(FAMILY, tell())
        .on::<PaymentRefunded>(FAMILY, tell())
        .on::<WalletCredited>(FAMILY, tell())
        .on::<WalletDebited>(FAMILY, tell())
        .on::<ReconciliationAlarmed>(FAMILY, tell())
        .on::<CredentialsIssued>(FAMILY, tell())
        .on::<ReportPublished>(FAMILY, tell())
        .on::<InvoiceStatusChanged>(FAMILY, tell())
        .on::<PaymentRecorded>(FAMILY, tell())
        .on::<PaymentAmended>(FAMILY, tell())
        .on::<PaymentVoided>(FAMILY, tell())
        .on::<WebhookEndpointDisabled>(
            "endpoint-notices",
            Notice {
                state: state.clone(),
            },
        )
}

/// Queues an event for each endpoint that wants it.
struct Tell {
    state: AppState,
}

#[async_trait]
impl<E: Event> EventHandler<E> for Tell {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        _event: E,
    ) -> Result<(), HandlerError> {
        let Some(event_type) = catalogue::type_of(&envelope.name, &envelope.payload) else {
            return Ok(());
        };
        let organization = envelope.organization_id;
        let subscribers = store::list_subscribers(conn, organization, event_type).await?;
        if subscribers.is_empty() {
            return Ok(());
        }
        let now = self.state.now();
        let message = NewMessage {
            id: Uuid::now_v7(),
            organization_id: organization,
            event_type: event_type.to_owned(),
            source_event_id: Some(envelope.id),
            ordering_key: envelope.aggregate_id.to_string(),
            data: catalogue::data_of(&envelope.payload),
            occurred_at: envelope.occurred_at,
            created_at: now,
        };
        let (id, key) = (message.id, message.ordering_key.clone());
        if store::insert_message(conn, message).await? {
            for (endpoint, is_active) in subscribers {
                store::insert_delivery(conn, id, &key, endpoint, is_active, now).await?;
            }
        }
        Ok(())
    }
}

/// Writes to the address that an endpoint names when it was switched off.
struct Notice {
    state: AppState,
}

#[async_trait]
impl EventHandler<WebhookEndpointDisabled> for Notice {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: WebhookEndpointDisabled,
    ) -> Result<(), HandlerError> {
        let endpoint =
            endpoint_store::find_endpoint(conn, Owner::Platform, event.endpoint_id).await?;
        let Some((endpoint, to)) =
            endpoint.and_then(|row| row.notify_email.clone().map(|to| (row, to)))
        else {
            return Ok(());
        };
        let language = endpoint.language.parse().unwrap_or(Language::Fa);
        let (subject, text) = notice(language, &endpoint.name, &event.reason);
        let request = SendMessageRequest {
            idempotency_key: format!("endpoint-disabled:{}", envelope.id),
            organization_id: event.organization_id,
            channel: Channel::Email,
            to,
            language,
            template: None,
            subject: Some(subject),
            text,
            html: None,
            purpose: MessagePurpose::Notification,
            mode: DeliveryMode::Queued,
            reference: Some(event.endpoint_id.to_string()),
        };
        // Its own connection; the key makes a repetition of this event harmless.
        match message::accept(&self.state, SERVICE, &request).await {
            Ok(_) => Ok(()),
            Err(message::MessageError::Unexpected(cause)) => Err(HandlerError::Retry(cause)),
            Err(refusal) => Err(HandlerError::Poison(refusal.to_string())),
        }
    }
}

fn notice(language: Language, name: &str, reason: &str) -> (String, String) {
    let gone = reason == "gone";
    match language {
        Language::Fa => (
            format!("وب‌هوک «{name}» غیرفعال شد"),
            if gone {
                format!("نشانی «{name}» با کد 410 پاسخ داد و غیرفعال شد.")
            } else {
                format!(
                    "نشانی «{name}» بیش از 120 ساعت پاسخ درستی نداد و غیرفعال شد. پس از رفع اشکال آن را فعال و رویدادهای ازدست‌رفته را بازیابی کنید."
                )
            },
        ),
        Language::Fr => (
            format!("Webhook « {name} » désactivé"),
            if gone {
                format!("Le point d'accès « {name} » a répondu 410 et a été désactivé.")
            } else {
                format!(
                    "Le point d'accès « {name} » échoue depuis plus de 120 heures et a été désactivé. Une fois corrigé, réactivez-le et récupérez les événements manqués."
                )
            },
        ),
        Language::En => (
            format!("Webhook \"{name}\" was switched off"),
            if gone {
                format!("The endpoint \"{name}\" answered 410 and was switched off.")
            } else {
                format!(
                    "The endpoint \"{name}\" has failed for more than 120 hours and was switched off. When it works again, switch it on and recover the events it missed."
                )
            },
        ),
    }
}
