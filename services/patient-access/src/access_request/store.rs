//! The rows of requests.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::count_star,
    prelude::*,
    sql_types::{Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::Status;
use crate::schema::{access_requests, grants};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = access_requests)]
pub(crate) struct RequestRow {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) doctor_id: Uuid,
    pub(crate) doctor_name: String,
    pub(crate) patient_phone: String,
    pub(crate) phone_as_given: String,
    pub(crate) patient_user_id: Option<Uuid>,
    pub(crate) status: String,
    pub(crate) challenge_id: Option<Uuid>,
    pub(crate) code_expires_at: Option<DateTime<Utc>>,
    pub(crate) attempts: i32,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) decided_at: Option<DateTime<Utc>>,
}

/// Requests for one number, or by one doctor, are counted and made one after the other.
pub(crate) async fn lock_budget(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 11))")
        .bind::<Text, _>(format!("patient-access\u{1f}{name}"))
        .execute(conn)
        .await?;
    Ok(())
}

/// How many requests were made for a number since then, and when the oldest of them.
pub(crate) async fn count_for_phone(
    conn: &mut AsyncPgConnection,
    phone: &str,
    since: DateTime<Utc>,
) -> QueryResult<(i64, Option<DateTime<Utc>>)> {
    access_requests::table
        .filter(
            access_requests::patient_phone
                .eq(phone)
                .and(access_requests::created_at.gt(since)),
        )
        .select((count_star(), diesel::dsl::min(access_requests::created_at)))
        .first(conn)
        .await
}

/// As [`count_for_phone`], by one doctor.
pub(crate) async fn count_by_doctor(
    conn: &mut AsyncPgConnection,
    doctor: Uuid,
    since: DateTime<Utc>,
) -> QueryResult<(i64, Option<DateTime<Utc>>)> {
    access_requests::table
        .filter(
            access_requests::doctor_id
                .eq(doctor)
                .and(access_requests::created_at.gt(since)),
        )
        .select((count_star(), diesel::dsl::min(access_requests::created_at)))
        .first(conn)
        .await
}

/// When this doctor last asked for this number and no grant ended the wait.
pub(crate) async fn find_last_request(
    conn: &mut AsyncPgConnection,
    doctor: Uuid,
    phone: &str,
) -> QueryResult<Option<DateTime<Utc>>> {
    access_requests::table
        .filter(
            access_requests::doctor_id
                .eq(doctor)
                .and(access_requests::patient_phone.eq(phone)),
        )
        .order(access_requests::created_at.desc())
        .select(access_requests::created_at)
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_request(
    conn: &mut AsyncPgConnection,
    row: &RequestRow,
) -> QueryResult<()> {
    diesel::insert_into(access_requests::table)
        .values(row)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a request whose code was definitely not sent: it charges no budget and no cooldown.
pub(crate) async fn delete_unsent(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(
        access_requests::table
            .find(id)
            .filter(access_requests::challenge_id.is_null()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn update_sent(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    challenge: Uuid,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(access_requests::table.find(id))
        .set((
            access_requests::challenge_id.eq(challenge),
            access_requests::code_expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the same doctor's earlier requests for the same number: the newer supersedes them.
pub(crate) async fn update_superseded(
    conn: &mut AsyncPgConnection,
    by: &RequestRow,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        access_requests::table
            .filter(access_requests::doctor_id.eq(by.doctor_id))
            .filter(access_requests::patient_phone.eq(&by.patient_phone))
            .filter(access_requests::status.eq(Status::Pending.as_str()))
            .filter(access_requests::id.ne(by.id)),
    )
    .set((
        access_requests::status.eq(Status::Expired.as_str()),
        access_requests::decided_at.eq(now),
        access_requests::version.eq(access_requests::version + 1),
    ))
    .execute(conn)
    .await
}

/// This doctor's request, in the organisation the doctor works in now.
pub(crate) async fn find_for_doctor(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    doctor: Uuid,
    organization: Uuid,
) -> QueryResult<Option<RequestRow>> {
    access_requests::table
        .find(id)
        .filter(
            access_requests::doctor_id
                .eq(doctor)
                .and(access_requests::organization_id.eq(organization)),
        )
        .select(RequestRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn lock_request(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<RequestRow> {
    access_requests::table
        .find(id)
        .select(RequestRow::as_select())
        .for_update()
        .first(conn)
        .await
}

/// Writes status, attempts and decision of a locked row, raising its version.
pub(crate) async fn update_state(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    status: Status,
    attempts: i32,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    let decided = (status != Status::Pending).then_some(now);
    diesel::update(access_requests::table.find(id))
        .set((
            access_requests::status.eq(status.as_str()),
            access_requests::attempts.eq(attempts),
            access_requests::decided_at.eq(decided),
            access_requests::version.eq(access_requests::version + 1),
        ))
        .returning(access_requests::version)
        .get_result(conn)
        .await
}

pub(crate) async fn has_live_grant(
    conn: &mut AsyncPgConnection,
    doctor: Uuid,
    organization: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        grants::table
            .filter(
                grants::doctor_id
                    .eq(doctor)
                    .and(grants::organization_id.eq(organization)),
            )
            .filter(grants::patient_phone.eq(phone))
            .filter(grants::revoked_at.is_null().and(grants::expires_at.gt(now))),
    ))
    .get_result(conn)
    .await
}

/// A page of a doctor's requests, newest first, and how many there are.
pub(crate) async fn list_for_doctor(
    conn: &mut AsyncPgConnection,
    (doctor, organization): (Uuid, Uuid),
    status: Option<&str>,
    (limit, offset): (i64, i64),
) -> QueryResult<(i64, Vec<RequestRow>)> {
    let wanted = || {
        let query = access_requests::table
            .filter(
                access_requests::doctor_id
                    .eq(doctor)
                    .and(access_requests::organization_id.eq(organization)),
            )
            .into_boxed();
        match status {
            Some(status) => query.filter(access_requests::status.eq(status.to_owned())),
            None => query,
        }
    };
    let total = wanted().count().get_result(conn).await?;
    let rows = wanted()
        .order((
            access_requests::created_at.desc(),
            access_requests::id.desc(),
        ))
        .limit(limit)
        .offset(offset)
        .select(RequestRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

/// Pending requests whose code is dead, locked, a hundred at a time. One that never got a code dies
/// after `unsent_after`.
pub(crate) async fn lock_overdue(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    unsent_after: TimeDelta,
) -> QueryResult<Vec<RequestRow>> {
    let unsent = access_requests::code_expires_at
        .is_null()
        .and(access_requests::created_at.lt(now - unsent_after));
    access_requests::table
        .filter(access_requests::status.eq(Status::Pending.as_str()))
        .filter(
            access_requests::code_expires_at
                .lt(now.into_sql::<Timestamptz>().nullable())
                .or(unsent.nullable()),
        )
        .limit(100)
        .select(RequestRow::as_select())
        .for_update()
        .skip_locked()
        .load(conn)
        .await
}
