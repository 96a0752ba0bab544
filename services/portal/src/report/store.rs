//! Rows of reports. Patients reach them by `…_for_patient` alone.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{patient_accesses, patients, reports};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = reports)]
pub(crate) struct ReportRow {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) access_id: Uuid,
    pub(crate) invoice_id: Option<Uuid>,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) storage_key: String,
    pub(crate) is_active: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) download_count: i64,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
}

impl ReportRow {
    /// R07, for a patient whose keys are valid.
    pub(crate) fn is_accessible(&self, now: DateTime<Utc>) -> bool {
        self.is_active && self.expires_at.is_none_or(|end| end > now)
    }
}

#[derive(Debug, Insertable)]
#[diesel(table_name = reports)]
pub(crate) struct NewReport<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) access_id: Uuid,
    pub(crate) file_name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) storage_key: &'a str,
    pub(crate) uploaded_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_report(
    conn: &mut AsyncPgConnection,
    new: &NewReport<'_>,
) -> QueryResult<ReportRow> {
    diesel::insert_into(reports::table)
        .values(new)
        .returning(ReportRow::as_returning())
        .get_result(conn)
        .await
}

/// The patient's own accessible reports, newest first.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn list_for_patient(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<ReportRow>> {
    reports::table
        .filter(reports::organization_id.eq(organization))
        .filter(reports::patient_id.eq(patient))
        .filter(reports::is_active)
        .filter(reports::deleted_at.is_null())
        .filter(
            reports::expires_at
                .is_null()
                .or(reports::expires_at.gt(now).assume_not_null()),
        )
        .order_by((reports::created_at.desc(), reports::id.desc()))
        .select(ReportRow::as_select())
        .load(conn)
        .await
}

/// R06: the owner's active report, or nothing.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn find_report_for_patient(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    patient: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<ReportRow>> {
    reports::table
        .inner_join(patient_accesses::table.on(patient_accesses::id.eq(reports::access_id)))
        .filter(reports::organization_id.eq(organization))
        .filter(reports::patient_id.eq(patient))
        .filter(reports::id.eq(id))
        .filter(reports::is_active)
        .filter(reports::deleted_at.is_null())
        .filter(
            reports::expires_at
                .is_null()
                .or(reports::expires_at.gt(now).assume_not_null()),
        )
        .filter(patient_accesses::is_active)
        .select(ReportRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// For staff.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn find_report(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<ReportRow>> {
    reports::table
        .filter(reports::organization_id.eq(organization))
        .filter(reports::id.eq(id))
        .filter(reports::deleted_at.is_null())
        .select(ReportRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn lock_report(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<ReportRow>> {
    reports::table
        .filter(reports::organization_id.eq(organization))
        .filter(reports::id.eq(id))
        .filter(reports::deleted_at.is_null())
        .select(ReportRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// What activation knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Activation<'a> {
    pub(crate) invoice: Option<Uuid>,
    pub(crate) override_reason: Option<&'a str>,
    pub(crate) override_by: Option<Uuid>,
}

pub(crate) async fn activate(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    how: Activation<'_>,
    now: DateTime<Utc>,
) -> QueryResult<ReportRow> {
    diesel::update(reports::table.find(id))
        .set((
            reports::is_active.eq(true),
            reports::activated_at.eq(now),
            reports::invoice_id.eq(how.invoice),
            reports::override_reason.eq(how.override_reason),
            reports::override_by.eq(how.override_by),
            reports::version.eq(reports::version + 1),
            reports::updated_at.eq(now),
        ))
        .returning(ReportRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn deactivate(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<ReportRow> {
    diesel::update(reports::table.find(id))
        .set((
            reports::is_active.eq(false),
            reports::version.eq(reports::version + 1),
            reports::updated_at.eq(now),
        ))
        .returning(ReportRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn hide_report(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(reports::table.find(id))
        .set((
            reports::is_active.eq(false),
            reports::deleted_at.eq(now),
            reports::version.eq(reports::version + 1),
            reports::updated_at.eq(now),
        ))
        .execute(conn)
        .await
}

/// R06: one more download.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn count_download(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::update(reports::table.find(id))
        .set(reports::download_count.eq(reports::download_count + 1))
        .execute(conn)
        .await
}

/// What the staff list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct ReportFilter {
    pub(crate) patient: Option<i64>,
    pub(crate) is_active: Option<bool>,
    pub(crate) date_from: Option<NaiveDate>,
    pub(crate) date_to: Option<NaiveDate>,
    pub(crate) words: Vec<String>,
}

type Joined<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::InnerJoinOn<
        reports::table,
        patients::table,
        diesel::dsl::Eq<patients::id, reports::patient_id>,
    >,
    diesel::pg::Pg,
>;

fn filtered<'a>(organization: Uuid, filter: &'a ReportFilter) -> Joined<'a> {
    let mut query = reports::table
        .inner_join(patients::table.on(patients::id.eq(reports::patient_id)))
        .into_boxed()
        .filter(reports::organization_id.eq(organization))
        .filter(reports::deleted_at.is_null());
    if let Some(patient) = filter.patient {
        query = query.filter(patients::number.eq(patient));
    }
    if let Some(active) = filter.is_active {
        query = query.filter(reports::is_active.eq(active));
    }
    if let Some(day) = filter.date_from {
        query =
            query.filter(reports::created_at.ge(day.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    if let Some(day) = filter.date_to.and_then(|day| day.succ_opt()) {
        query =
            query.filter(reports::created_at.lt(day.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    for word in &filter.words {
        query = query.filter(
            reports::file_name
                .ilike(word)
                .or(patients::first_name.ilike(word))
                .or(patients::last_name.ilike(word))
                .or(patients::patient_code.ilike(word)),
        );
    }
    query
}

pub(crate) async fn count_reports(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ReportFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_reports(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ReportFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<ReportRow>> {
    filtered(organization, filter)
        .order_by((reports::created_at.desc(), reports::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(ReportRow::as_select())
        .load(conn)
        .await
}

/// Reports of a key set: all and active ones.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn count_for_access(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    access: Uuid,
) -> QueryResult<(i64, i64)> {
    let of = || {
        reports::table
            .filter(reports::organization_id.eq(organization))
            .filter(reports::access_id.eq(access))
            .filter(reports::deleted_at.is_null())
    };
    let all = of().count().get_result(conn).await?;
    let active = of()
        .filter(reports::is_active)
        .count()
        .get_result(conn)
        .await?;
    Ok((all, active))
}

/// Open reports that end within these days.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn count_expiring(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    now: DateTime<Utc>,
    days: i64,
) -> QueryResult<i64> {
    reports::table
        .filter(reports::organization_id.eq(organization))
        .filter(reports::is_active)
        .filter(reports::deleted_at.is_null())
        .filter(reports::expires_at.gt(now))
        .filter(reports::expires_at.le(now + chrono::TimeDelta::days(days)))
        .count()
        .get_result(conn)
        .await
}
