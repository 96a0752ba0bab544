//! Rows of key sets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{patient_accesses, patients};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = patient_accesses)]
pub(crate) struct NewAccess {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) key_lookup: Vec<u8>,
    pub(crate) key_sealed: String,
    pub(crate) password_hash: String,
    pub(crate) password_sealed: String,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A key set; secrets in it are sealed or hashed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = patient_accesses)]
pub(crate) struct AccessRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) key_sealed: String,
    pub(crate) password_hash: String,
    pub(crate) password_sealed: String,
    pub(crate) is_active: bool,
    pub(crate) access_count: i64,
    pub(crate) last_access: Option<DateTime<Utc>>,
    pub(crate) password_shown_at: Option<DateTime<Utc>>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
}

pub(crate) async fn find_access(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<AccessRow>> {
    patient_accesses::table
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patient_accesses::id.eq(id))
        .select(AccessRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_access_of_patient(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    patient: Uuid,
) -> QueryResult<Option<AccessRow>> {
    patient_accesses::table
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patient_accesses::patient_id.eq(patient))
        .select(AccessRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// By the number that clients know as `id`.
pub(crate) async fn find_access_by_number(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<AccessRow>> {
    patient_accesses::table
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patient_accesses::number.eq(number))
        .select(AccessRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_accesses(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    ids: &[Uuid],
) -> QueryResult<Vec<AccessRow>> {
    patient_accesses::table
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patient_accesses::id.eq_any(ids))
        .select(AccessRow::as_select())
        .load(conn)
        .await
}

/// At login the key itself tells the organisation. Deleted patients have no way in.
pub(crate) async fn find_access_by_lookup(
    conn: &mut AsyncPgConnection,
    lookup: &[u8],
) -> QueryResult<Option<AccessRow>> {
    patient_accesses::table
        .inner_join(patients::table.on(patients::id.eq(patient_accesses::patient_id)))
        .filter(patient_accesses::key_lookup.eq(lookup))
        .filter(patients::deleted_at.is_null())
        .select(AccessRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn lock_access(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<AccessRow> {
    patient_accesses::table
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patient_accesses::id.eq(id))
        .select(AccessRow::as_select())
        .for_update()
        .first(conn)
        .await
}

pub(crate) async fn insert_access(
    conn: &mut AsyncPgConnection,
    new: &NewAccess,
) -> QueryResult<Option<AccessRow>> {
    diesel::insert_into(patient_accesses::table)
        .values(new)
        .on_conflict(patient_accesses::patient_id)
        .do_nothing()
        .returning(AccessRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn set_active(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    active: bool,
    now: DateTime<Utc>,
) -> QueryResult<AccessRow> {
    diesel::update(patient_accesses::table.find(id))
        .set((
            patient_accesses::is_active.eq(active),
            patient_accesses::version.eq(patient_accesses::version + 1),
            patient_accesses::updated_at.eq(now),
        ))
        .returning(AccessRow::as_returning())
        .get_result(conn)
        .await
}

/// R03: one more access, now.
pub(crate) async fn record_access(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<AccessRow> {
    diesel::update(patient_accesses::table.find(id))
        .set((
            patient_accesses::access_count.eq(patient_accesses::access_count + 1),
            patient_accesses::last_access.eq(now),
            patient_accesses::failures_in_a_row.eq(0),
        ))
        .returning(AccessRow::as_returning())
        .get_result(conn)
        .await
}

/// One more failure in a row; does the same work for keys that do not exist.
pub(crate) async fn count_failure(
    conn: &mut AsyncPgConnection,
    lookup: &[u8],
) -> QueryResult<usize> {
    diesel::update(patient_accesses::table.filter(patient_accesses::key_lookup.eq(lookup)))
        .set(patient_accesses::failures_in_a_row.eq(patient_accesses::failures_in_a_row + 1))
        .execute(conn)
        .await
}

pub(crate) async fn note_password_shown(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(patient_accesses::table.find(id))
        .set(patient_accesses::password_shown_at.eq(now))
        .execute(conn)
        .await
}

/// What the staff list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct AccessFilter {
    pub(crate) words: Vec<String>,
    /// The search text as a key: found by its HMAC.
    pub(crate) lookup: Option<[u8; 32]>,
    pub(crate) is_active: Option<bool>,
}

type Joined<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::InnerJoinOn<
        patient_accesses::table,
        patients::table,
        diesel::dsl::Eq<patients::id, patient_accesses::patient_id>,
    >,
    diesel::pg::Pg,
>;

fn filtered<'a>(organization: Uuid, filter: &'a AccessFilter) -> Joined<'a> {
    let mut query = patient_accesses::table
        .inner_join(patients::table.on(patients::id.eq(patient_accesses::patient_id)))
        .into_boxed()
        .filter(patient_accesses::organization_id.eq(organization))
        .filter(patients::deleted_at.is_null());
    for word in &filter.words {
        let lookup = filter
            .lookup
            .map(|lookup| lookup.to_vec())
            .unwrap_or_default();
        query = query.filter(
            patients::first_name
                .ilike(word)
                .or(patients::last_name.ilike(word))
                .or(patients::patient_code.ilike(word))
                .or(patient_accesses::key_lookup.eq(lookup)),
        );
    }
    if let Some(active) = filter.is_active {
        query = query.filter(patient_accesses::is_active.eq(active));
    }
    query
}

pub(crate) async fn count_accesses(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &AccessFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_accesses(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &AccessFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<AccessRow>> {
    filtered(organization, filter)
        .order_by(patient_accesses::number.desc())
        .offset(offset)
        .limit(limit)
        .select(AccessRow::as_select())
        .load(conn)
        .await
}
