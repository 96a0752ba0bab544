//! Rows of messages to be sent: `credential_deliveries` and `report_notifications` have the same columns.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{patient::PatientRow, schema::credential_deliveries};

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The permanent keys; the subject is the key set.
    Credentials,
    /// A new report; the subject is the report.
    ReportReady,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Credentials, Self::ReportReady];

    fn table(self) -> &'static str {
        match self {
            Self::Credentials => "credential_deliveries",
            Self::ReportReady => "report_notifications",
        }
    }

    /// What integrations is given as reference and gives back.
    pub(crate) fn reference(self, id: Uuid) -> String {
        format!("portal.{}:{id}", self.table())
    }

    fn of_reference(reference: &str) -> Option<(Self, Uuid)> {
        let (table, id) = reference.strip_prefix("portal.")?.split_once(':')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.table() == table)?;
        Some((kind, id.parse().ok()?))
    }
}

/// A message that a worker has taken.
#[derive(Debug, QueryableByName)]
pub(crate) struct Due {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) organization_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) patient_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) channel: String,
    #[diesel(sql_type = Int4)]
    pub(crate) attempts: i32,
}

/// Writes one row per channel that the patient has; answers how many.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn queue(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    subject: Uuid,
    patient: &PatientRow,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let channels = [
        ("sms", patient.phone_e164.is_some()),
        ("email", patient.email.is_some()),
    ];
    let mut queued = 0;
    for (channel, _) in channels.into_iter().filter(|(_, known)| *known) {
        queued += sql_query(format!(
            "INSERT INTO {} (id, organization_id, subject_id, patient_id, channel, next_attempt_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
            kind.table()
        ))
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<SqlUuid, _>(patient.organization_id)
        .bind::<SqlUuid, _>(subject)
        .bind::<SqlUuid, _>(patient.id)
        .bind::<Text, _>(channel)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    }
    Ok(queued)
}

/// Whether the keys were ever handed out or are about to be.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn has_credentials_delivery(
    conn: &mut AsyncPgConnection,
    access: Uuid,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        credential_deliveries::table
            .filter(credential_deliveries::subject_id.eq(access))
            .filter(credential_deliveries::state.ne("failed")),
    ))
    .get_result(conn)
    .await
}

/// Per key set, whether keys went out by SMS and by e-mail.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn sent_channels(
    conn: &mut AsyncPgConnection,
    accesses: &[Uuid],
) -> QueryResult<HashMap<Uuid, (bool, bool)>> {
    let rows: Vec<(Uuid, String)> = credential_deliveries::table
        .filter(credential_deliveries::subject_id.eq_any(accesses))
        .filter(credential_deliveries::state.eq_any(["sent", "delivered"]))
        .select((
            credential_deliveries::subject_id,
            credential_deliveries::channel,
        ))
        .load(conn)
        .await?;
    let mut sent: HashMap<Uuid, (bool, bool)> = HashMap::new();
    for (access, channel) in rows {
        let entry = sent.entry(access).or_default();
        match channel.as_str() {
            "sms" => entry.0 = true,
            _ => entry.1 = true,
        }
    }
    Ok(sent)
}

/// Takes messages that are due and leases them, so that a worker that dies gives them back.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn take_due(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: i64,
) -> QueryResult<Vec<Due>> {
    sql_query(format!(
        "UPDATE {table} SET attempts = attempts + 1, next_attempt_at = $2 \
         WHERE id IN (SELECT id FROM {table} WHERE state = 'pending' AND next_attempt_at <= $1 \
                      ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
         RETURNING id, organization_id, subject_id, patient_id, channel, attempts",
        table = kind.table()
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + lease)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
}

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Integrations has it.
    Sent(Option<Uuid>),
    /// To be tried again then.
    Again(DateTime<Utc>, String),
    /// Given up.
    Failed(String),
}

/// # Errors
/// When the database refuses.
pub(crate) async fn note(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    id: Uuid,
    ended: Ended,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let (state, message, next, error) = match ended {
        Ended::Sent(message) => ("sent", message, now, None),
        Ended::Again(next, error) => ("pending", None, next, Some(error)),
        Ended::Failed(error) => ("failed", None, now, Some(error)),
    };
    sql_query(format!(
        "UPDATE {} SET state = $2, message_id = coalesce($3, message_id), next_attempt_at = $4, last_error = $5, \
         finished_at = CASE WHEN $2 = 'pending' THEN NULL ELSE $6 END WHERE id = $1 AND state = 'pending'",
        kind.table()
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(state)
    .bind::<Nullable<SqlUuid>, _>(message)
    .bind::<Timestamptz, _>(next)
    .bind::<Nullable<Text>, _>(error)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

async fn set_final(
    conn: &mut AsyncPgConnection,
    reference: &str,
    state: &'static str,
    from: &[&str],
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let Some((kind, id)) = Kind::of_reference(reference) else {
        return Ok(0);
    };
    sql_query(format!(
        "UPDATE {} SET state = $2, finished_at = $3 WHERE id = $1 AND state = ANY($4)",
        kind.table()
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(state)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(from)
    .execute(conn)
    .await
}

/// The provider's word that a message arrived.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn note_delivered(
    conn: &mut AsyncPgConnection,
    reference: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    set_final(
        conn,
        reference,
        "delivered",
        &["pending", "sent", "unknown"],
        now,
    )
    .await
}

/// The word that a message will not arrive.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn note_failed(
    conn: &mut AsyncPgConnection,
    reference: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    set_final(
        conn,
        reference,
        "failed",
        &["pending", "sent", "unknown"],
        now,
    )
    .await
}
