//! The loop that hands messages to integrations.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, MessageState, SendMessageRequest, SendMessageResponse,
};
use service_auth::InternalError;
use tokio_util::sync::CancellationToken;

use super::{
    store::{self, Due, Ended, Kind},
    text,
};
use crate::{access, clinic, patient, state::AppState};

const POLL: Duration = Duration::from_millis(500);
/// A worker that died gives its messages back after this; one that was only slow is harmless, because integrations
/// knows each message by its id.
const LEASE: TimeDelta = TimeDelta::seconds(15);
const BATCH: i64 = 5;
/// With growing pauses this is about a day.
const MAX_ATTEMPTS: i32 = 30;

/// Runs until `cancel`.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let mut sent = 0;
        for kind in Kind::ALL {
            match round(&state, kind).await {
                Ok(count) => sent += count,
                Err(error) => tracing::warn!(error = format!("{error:#}"), ?kind, "messages wait"),
            }
        }
        if sent == 0 {
            tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(POLL) => {} }
        }
    }
}

async fn round(state: &AppState, kind: Kind) -> anyhow::Result<usize> {
    let now = state.now();
    let due = {
        let mut conn = state.db.get().await?;
        store::take_due(&mut conn, kind, now, LEASE, BATCH).await?
    };
    for message in &due {
        let ended = match send(state, kind, message).await {
            Ok(ended) => ended,
            Err(error) => again(state, message, &format!("{error:#}")),
        };
        metrics::counter!("portal_messages_total", "kind" => kind_label(kind), "outcome" => outcome_label(&ended)).increment(1);
        let mut conn = state.db.get().await?;
        store::note(&mut conn, kind, message.id, ended, state.now()).await?;
    }
    Ok(due.len())
}

const fn kind_label(kind: Kind) -> &'static str {
    match kind {
        Kind::Credentials => "credentials",
        Kind::ReportReady => "report_ready",
    }
}

const fn outcome_label(ended: &Ended) -> &'static str {
    match ended {
        Ended::Sent(_) => "sent",
        Ended::Again(..) => "again",
        Ended::Failed(_) => "failed",
    }
}

/// 2 s, 4 s, … up to an hour.
fn again(state: &AppState, message: &Due, reason: &str) -> Ended {
    if message.attempts >= MAX_ATTEMPTS {
        return Ended::Failed(reason.to_owned());
    }
    let seconds = 1_i64
        .checked_shl(message.attempts.unsigned_abs().min(11))
        .unwrap_or(3_600)
        .min(3_600);
    Ended::Again(state.now() + TimeDelta::seconds(seconds), reason.to_owned())
}

async fn send(state: &AppState, kind: Kind, message: &Due) -> anyhow::Result<Ended> {
    let request = {
        let mut conn = state.db.get().await?;
        let Some(patient) =
            patient::find_patient(&mut conn, message.organization_id, message.patient_id).await?
        else {
            return Ok(Ended::Failed("the patient is gone".into()));
        };
        let (channel, to) = match message.channel.as_str() {
            "sms" => (Channel::Sms, patient.phone_e164.clone()),
            _ => (Channel::Email, patient.email.clone()),
        };
        let Some(to) = to else {
            return Ok(Ended::Failed(
                "the patient has no such address any more".into(),
            ));
        };
        let language = clinic::language(&patient.language);
        let (name, url) = (patient.full_name(), state.settings.portal.url.as_str());
        let (text, subject, purpose) = match kind {
            Kind::Credentials => {
                let Some(row) =
                    access::find_access(&mut conn, message.organization_id, message.subject_id)
                        .await?
                else {
                    return Ok(Ended::Failed("the keys are gone".into()));
                };
                let (access_key, password) = access::opened_keys(state, &row)?;
                let words = text::Credentials {
                    full_name: &name,
                    portal_url: url,
                    access_key: &access_key,
                    password: &password,
                };
                (
                    text::credentials(language, &words),
                    text::credentials_subject(language),
                    MessagePurpose::Credentials,
                )
            }
            Kind::ReportReady => (
                text::report_ready(language, &name, url),
                text::report_subject(language),
                MessagePurpose::Notification,
            ),
        };
        SendMessageRequest {
            idempotency_key: message.id.to_string(),
            channel,
            to,
            language,
            subject: (channel == Channel::Email).then(|| subject.to_owned()),
            text,
            html: None,
            purpose,
            template: None,
            mode: DeliveryMode::Queued,
            organization_id: Some(message.organization_id),
            reference: Some(kind.reference(message.id)),
        }
    };
    // The connection is back in the pool: no network call holds one.
    match state
        .integrations
        .post_json::<_, SendMessageResponse>("/internal/messages/", &request)
        .await
    {
        Ok(answer) => Ok(match answer.state {
            MessageState::Sent | MessageState::Queued | MessageState::Unknown => {
                Ended::Sent(answer.message_id)
            }
            MessageState::Refused => again(state, message, "every provider refused"),
        }),
        Err(InternalError::Status { status, .. })
            if (400..500).contains(&status) && status != 401 && status != 429 =>
        {
            Ok(Ended::Failed(format!("integrations answered {status}")))
        }
        // The same key never sends twice, so an unknown outcome is asked again.
        Err(error) => Ok(again(state, message, &error.to_string())),
    }
}
