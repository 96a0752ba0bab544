//! Rows of one-time codes, cooldowns, counters and failures. The steps that a login waits for are functions in the
//! database (migration `codes_in_one_statement`): one round trip and one commit each.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::events::auth::CodeIssued;
use diesel::IntoSql;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::budget::Demand;
use super::model::Bound;
use crate::call::call;
use crate::schema::{code_cooldowns, one_time_codes, phone_failures, send_counters};

const ISSUE_CODE: &str = "SELECT outcome, moment, replaced FROM issue_code";
const CHARGE_SEND: &str = "SELECT charge_send";
const ATTEMPT_CODE: &str = "SELECT outcome, code_id, hash, left_over FROM attempt_code";
const USE_CODE: &str = "SELECT use_code";

/// A code to be stored.
pub(crate) struct NewCode<'a> {
    pub(crate) bound: Bound<'a>,
    pub(crate) code_hash: &'a [u8],
    pub(crate) max_attempts: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) cooldown: TimeDelta,
    /// Wrong codes in a row at which this purpose is refused.
    pub(crate) ceiling: i32,
    pub(crate) event: &'a CodeIssued,
}

/// What `issue_code` answers.
#[derive(Queryable, Debug)]
pub(crate) struct Issued {
    pub(crate) outcome: String,
    pub(crate) moment: Option<DateTime<Utc>>,
    pub(crate) replaced: Option<Vec<Uuid>>,
}

/// What `attempt_code` answers.
#[derive(Queryable, Debug)]
pub(crate) struct Attempt {
    pub(crate) outcome: String,
    pub(crate) code_id: Option<Uuid>,
    pub(crate) hash: Option<Vec<u8>>,
    pub(crate) left_over: i32,
}

#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = one_time_codes, check_for_backend(diesel::pg::Pg))]
pub(crate) struct CodeRow {
    pub(crate) id: Uuid,
    pub(crate) code_hash: Vec<u8>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) called_at: Option<DateTime<Utc>>,
}

/// Whether a parallel call spent what this one had found free; asking again gives the answer.
pub(crate) fn lost_a_race(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)
    )
}

/// Asks every limit of this code and stores it with its event, in one statement.
pub(crate) async fn issue_code(
    conn: &mut AsyncPgConnection,
    code: &NewCode<'_>,
    demand: &Demand,
) -> QueryResult<Issued> {
    let event = serde_json::to_value(code.event)
        .map_err(|error| DieselError::SerializationError(Box::new(error)))?;
    call::<(Text, Nullable<Timestamptz>, Nullable<Array<SqlUuid>>), _>(
        ISSUE_CODE,
        (
            code.bound.id.into_sql::<SqlUuid>(),
            code.bound.purpose.into_sql::<Text>(),
            code.bound.phone.into_sql::<Text>(),
            code.bound.binding.into_sql::<Text>(),
            code.code_hash.into_sql::<Binary>(),
            code.max_attempts.into_sql::<Integer>(),
            code.created_at.into_sql::<Timestamptz>(),
            code.expires_at.into_sql::<Timestamptz>(),
            (code.created_at - code.cooldown).into_sql::<Timestamptz>(),
            code.ceiling.into_sql::<Integer>(),
            demand.per_hour.into_sql::<BigInt>(),
            demand.per_day.into_sql::<BigInt>(),
            hour_of(code.created_at).into_sql::<Timestamptz>(),
            demand.scopes.as_slice().into_sql::<Array<Text>>(),
            demand.limits.as_slice().into_sql::<Array<BigInt>>(),
            Uuid::now_v7().into_sql::<SqlUuid>(),
            event.into_sql::<Jsonb>(),
            code.event.organization_id.into_sql::<Nullable<SqlUuid>>(),
            service_telemetry::current_traceparent().into_sql::<Nullable<Text>>(),
        ),
    )
    .get_result(conn)
    .await
}

/// Takes one send from a phone and its counters; the time to try again when one of them is spent.
pub(crate) async fn charge_send(
    conn: &mut AsyncPgConnection,
    phone: &str,
    now: DateTime<Utc>,
    demand: &Demand,
) -> QueryResult<Option<DateTime<Utc>>> {
    call::<Nullable<Timestamptz>, _>(
        CHARGE_SEND,
        (
            phone.into_sql::<Text>(),
            now.into_sql::<Timestamptz>(),
            demand.per_hour.into_sql::<BigInt>(),
            demand.per_day.into_sql::<BigInt>(),
            hour_of(now).into_sql::<Timestamptz>(),
            demand.scopes.as_slice().into_sql::<Array<Text>>(),
            demand.limits.as_slice().into_sql::<Array<BigInt>>(),
        ),
    )
    .get_result(conn)
    .await
}

/// Gives one send back.
pub(crate) async fn refund_send(
    conn: &mut AsyncPgConnection,
    phone: &str,
    sent_at: DateTime<Utc>,
    demand: &Demand,
) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE phone_sends SET sent_at = array_remove(sent_at, $2) WHERE phone = $1",
    )
    .bind::<Text, _>(phone)
    .bind::<Timestamptz, _>(sent_at)
    .execute(conn)
    .await?;
    diesel::update(
        send_counters::table
            .filter(send_counters::scope.eq_any(&demand.scopes))
            .filter(send_counters::window_start.eq(hour_of(sent_at)))
            .filter(send_counters::sent.gt(0)),
    )
    .set(send_counters::sent.eq(send_counters::sent - 1))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Undoes [`issue_code`] after a definite refusal: the code is void, what it replaced lives again unless something newer
/// came, and nothing stays charged.
pub(crate) async fn take_back(
    conn: &mut AsyncPgConnection,
    code: &NewCode<'_>,
    demand: &Demand,
    replaced: &[Uuid],
) -> QueryResult<()> {
    let bound = &code.bound;
    diesel::update(
        one_time_codes::table
            .find(bound.id)
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null()),
    )
    .set(one_time_codes::spent_at.eq(code.created_at))
    .execute(conn)
    .await?;
    let cooldown = code_cooldowns::table
        .find((bound.purpose, bound.phone, bound.binding))
        .filter(code_cooldowns::code_id.eq(bound.id));
    let newest = diesel::delete(cooldown).execute(conn).await? == 1;
    if newest && !replaced.is_empty() {
        diesel::update(
            one_time_codes::table
                .filter(one_time_codes::id.eq_any(replaced))
                .filter(one_time_codes::used_at.is_null())
                .filter(one_time_codes::spent_at.eq(code.created_at)),
        )
        .set(one_time_codes::spent_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await?;
    }
    refund_send(conn, bound.phone, code.created_at, demand).await
}

/// Counts an attempt and answers the hash to compare with, in one statement: the row lock of its UPDATE makes parallel
/// attempts count one by one. Its commit does not wait for the disk; whoever tells what the comparison says must have
/// committed something that does ([`use_code`], [`add_failure`], a login).
pub(crate) async fn attempt_code(
    conn: &mut AsyncPgConnection,
    purpose: &str,
    phone: &str,
    binding: &str,
    challenge: Option<Uuid>,
    now: DateTime<Utc>,
    ceiling: i32,
) -> QueryResult<Attempt> {
    call::<(Text, Nullable<SqlUuid>, Nullable<Binary>, Integer), _>(
        ATTEMPT_CODE,
        (
            purpose.into_sql::<Text>(),
            phone.into_sql::<Text>(),
            binding.into_sql::<Text>(),
            challenge.into_sql::<Nullable<SqlUuid>>(),
            now.into_sql::<Timestamptz>(),
            ceiling.into_sql::<Integer>(),
        ),
    )
    .get_result(conn)
    .await
}

/// The newest code that is neither used nor spent, expired or not.
pub(crate) async fn find_latest(
    conn: &mut AsyncPgConnection,
    purpose: &str,
    phone: &str,
    binding: &str,
) -> QueryResult<Option<CodeRow>> {
    one_time_codes::table
        .filter(one_time_codes::phone.eq(phone))
        .filter(one_time_codes::purpose.eq(purpose))
        .filter(one_time_codes::binding.eq(binding))
        .filter(one_time_codes::used_at.is_null())
        .filter(one_time_codes::spent_at.is_null())
        .order((one_time_codes::created_at.desc(), one_time_codes::id.desc()))
        .select(CodeRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Marks a code as spoken; true for exactly one caller.
pub(crate) async fn mark_called(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let marked = diesel::update(
        one_time_codes::table
            .find(id)
            .filter(one_time_codes::called_at.is_null())
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null()),
    )
    .set(one_time_codes::called_at.eq(now))
    .execute(conn)
    .await?;
    Ok(marked == 1)
}

/// The call was not made; it may be asked for again.
pub(crate) async fn unmark_called(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::update(one_time_codes::table.find(id))
        .set(one_time_codes::called_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Notes the fate of a code's SMS. When it will not arrive and the code still lives, its cooldown ends: the person may
/// ask for another or for a call at once.
pub(crate) async fn update_delivery(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    delivered: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let word = if delivered { "delivered" } else { "failed" };
    let bound: Option<(String, String, String)> = diesel::update(one_time_codes::table.find(id))
        .set(one_time_codes::delivery.eq(word))
        .returning((
            one_time_codes::purpose,
            one_time_codes::phone,
            one_time_codes::binding,
        ))
        .get_result(conn)
        .await
        .optional()?;
    let Some((purpose, phone, binding)) = bound.filter(|_| !delivered) else {
        return Ok(());
    };
    // Not deleted: the row says which code was the last one.
    diesel::update(
        code_cooldowns::table
            .find((purpose, phone, binding))
            .filter(code_cooldowns::code_id.eq(id)),
    )
    .set(code_cooldowns::sent_at.eq(now - TimeDelta::hours(1)))
    .execute(conn)
    .await
    .map(|_| ())
}

fn hour_of(moment: DateTime<Utc>) -> DateTime<Utc> {
    use chrono::DurationRound;
    moment.duration_trunc(TimeDelta::hours(1)).unwrap_or(moment)
}

/// Uses a code that was judged right, true for exactly one caller, and clears the phone's failures.
pub(crate) async fn use_code(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    call::<Bool, _>(
        USE_CODE,
        (
            id.into_sql::<SqlUuid>(),
            phone.into_sql::<Text>(),
            now.into_sql::<Timestamptz>(),
        ),
    )
    .get_result(conn)
    .await
}

/// Counts a wrong code on the phone, in a row with those before.
pub(crate) async fn add_failure(
    conn: &mut AsyncPgConnection,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(phone_failures::table)
        .values((
            phone_failures::phone.eq(phone),
            phone_failures::failures.eq(1),
            phone_failures::failed_at.eq(now),
        ))
        .on_conflict(phone_failures::phone)
        .do_update()
        .set((
            phone_failures::failures.eq(phone_failures::failures + 1),
            phone_failures::failed_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Attempts that an existing code still had.
pub(crate) async fn count_attempts_left(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<i32> {
    let left = one_time_codes::table
        .find(id)
        .select(one_time_codes::max_attempts - one_time_codes::attempts)
        .first(conn)
        .await
        .optional()?;
    Ok(left.unwrap_or(0))
}
