//! Copies of users and of accesses to summaries.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common_types::events::{
    Envelope,
    auth::{UserRegistered, UserUpdated},
    patient_access::{Denied, Granted, Revoked, Viewed},
};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::{EventHandler, HandlerError, inbox};
use uuid::Uuid;

use crate::schema::{summary_accesses, users};

/// Keeps the copy of a user that portal needs: phone, name, language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyUser;

async fn copy(conn: &mut AsyncPgConnection, user: UserUpdated) -> Result<(), HandlerError> {
    if !inbox::is_newer(conn, "portal.users", user.user_id, user.aggregate_version).await? {
        return Ok(());
    }
    let values = (
        users::number.eq(user.number),
        users::phone.eq(user.phone.as_ref().map(|phone| phone.e164().to_owned())),
        users::full_name.eq(user.full_name),
        users::language.eq(user.language.as_str()),
        users::is_active.eq(user.is_active),
        users::version.eq(user.aggregate_version),
    );
    diesel::insert_into(users::table)
        .values((users::id.eq(user.user_id), values.clone()))
        .on_conflict(users::id)
        .do_update()
        .set(values)
        .execute(conn)
        .await?;
    Ok(())
}

#[async_trait]
impl EventHandler<UserRegistered> for CopyUser {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: UserRegistered,
    ) -> Result<(), HandlerError> {
        copy(conn, event.into()).await
    }
}

#[async_trait]
impl EventHandler<UserUpdated> for CopyUser {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: UserUpdated,
    ) -> Result<(), HandlerError> {
        copy(conn, event).await
    }
}

/// Notes that a doctor asked for, got, used or lost access. Events without a user of the patient's phone are nobody's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoteSummaryAccess;

struct Note<'a> {
    kind: &'static str,
    organization: Option<Uuid>,
    patient: Option<Uuid>,
    doctor: Uuid,
    grant: Option<Uuid>,
    break_glass: bool,
    detail: &'a str,
    at: DateTime<Utc>,
}

async fn note(
    conn: &mut AsyncPgConnection,
    envelope: &Envelope,
    note: Note<'_>,
) -> Result<(), HandlerError> {
    let Some(patient) = note.patient else {
        return Ok(());
    };
    diesel::insert_into(summary_accesses::table)
        .values((
            summary_accesses::id.eq(envelope.id),
            summary_accesses::organization_id.eq(note.organization),
            summary_accesses::kind.eq(note.kind),
            summary_accesses::patient_user_id.eq(patient),
            summary_accesses::doctor_id.eq(note.doctor),
            summary_accesses::grant_id.eq(note.grant),
            summary_accesses::break_glass.eq(note.break_glass),
            summary_accesses::detail.eq(note.detail),
            summary_accesses::happened_at.eq(note.at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

#[async_trait]
impl EventHandler<Granted> for NoteSummaryAccess {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        e: Granted,
    ) -> Result<(), HandlerError> {
        let made = Note {
            kind: "granted",
            organization: e.organization_id,
            patient: e.patient_user_id,
            doctor: e.doctor_id,
            grant: Some(e.grant_id),
            break_glass: e.break_glass,
            detail: "",
            at: e.granted_at,
        };
        note(conn, envelope, made).await
    }
}

#[async_trait]
impl EventHandler<Denied> for NoteSummaryAccess {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        e: Denied,
    ) -> Result<(), HandlerError> {
        let made = Note {
            kind: "denied",
            organization: e.organization_id,
            patient: e.patient_user_id,
            doctor: e.doctor_id,
            grant: None,
            break_glass: false,
            detail: &e.reason,
            at: e.denied_at,
        };
        note(conn, envelope, made).await
    }
}

#[async_trait]
impl EventHandler<Viewed> for NoteSummaryAccess {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        e: Viewed,
    ) -> Result<(), HandlerError> {
        let made = Note {
            kind: "viewed",
            organization: e.organization_id,
            patient: e.patient_user_id,
            doctor: e.doctor_id,
            grant: Some(e.grant_id),
            break_glass: e.break_glass,
            detail: if e.has_summary { "summary" } else { "empty" },
            at: e.viewed_at,
        };
        note(conn, envelope, made).await
    }
}

#[async_trait]
impl EventHandler<Revoked> for NoteSummaryAccess {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        e: Revoked,
    ) -> Result<(), HandlerError> {
        let made = Note {
            kind: "revoked",
            organization: e.organization_id,
            patient: e.patient_user_id,
            doctor: e.doctor_id,
            grant: Some(e.grant_id),
            break_glass: false,
            detail: &e.revoked_by,
            at: e.revoked_at,
        };
        note(conn, envelope, made).await
    }
}
