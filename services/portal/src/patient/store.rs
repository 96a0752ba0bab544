//! Rows of patients; every query names the organisation.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{dsl::sql, prelude::*, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{invoices, patients};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = patients)]
pub(crate) struct PatientRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_code: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) gender: String,
    pub(crate) age: Option<i32>,
    pub(crate) phone_number: Option<String>,
    pub(crate) phone_e164: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) address: String,
    pub(crate) language: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl PatientRow {
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

#[derive(Debug, Insertable)]
#[diesel(table_name = patients)]
pub(crate) struct NewPatient<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_code: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) gender: &'a str,
    pub(crate) age: Option<i32>,
    pub(crate) phone_number: Option<&'a str>,
    pub(crate) phone_e164: Option<&'a str>,
    pub(crate) email: Option<&'a str>,
    pub(crate) address: &'a str,
    pub(crate) language: &'a str,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Debug, AsChangeset)]
#[diesel(table_name = patients, treat_none_as_null = true)]
pub(crate) struct PatientChange<'a> {
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) gender: &'a str,
    pub(crate) age: Option<i32>,
    pub(crate) phone_number: Option<&'a str>,
    pub(crate) phone_e164: Option<&'a str>,
    pub(crate) email: Option<&'a str>,
    pub(crate) address: &'a str,
    pub(crate) language: &'a str,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct PatientFilter {
    pub(crate) words: Vec<String>,
    pub(crate) gender: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) age_min: Option<i32>,
    pub(crate) age_max: Option<i32>,
    pub(crate) created_after: Option<NaiveDate>,
    pub(crate) created_before: Option<NaiveDate>,
}

fn filtered<'a>(
    organization: Uuid,
    filter: &'a PatientFilter,
) -> patients::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = patients::table
        .filter(patients::organization_id.eq(organization))
        .filter(patients::deleted_at.is_null())
        .into_boxed();
    for word in &filter.words {
        query = query.filter(
            patients::first_name
                .ilike(word)
                .or(patients::last_name.ilike(word))
                .or(patients::patient_code.ilike(word))
                .or(patients::phone_number.ilike(word).assume_not_null())
                .or(patients::email.ilike(word).assume_not_null()),
        );
    }
    if let Some(gender) = &filter.gender {
        query = query.filter(patients::gender.eq(gender));
    }
    if let Some(name) = &filter.name {
        let full = sql::<Text>("first_name || ' ' || last_name");
        query = query.filter(full.ilike(name));
    }
    if let Some(phone) = &filter.phone {
        query = query.filter(patients::phone_number.ilike(phone).assume_not_null());
    }
    if let Some(age) = filter.age_min {
        query = query.filter(patients::age.ge(age));
    }
    if let Some(age) = filter.age_max {
        query = query.filter(patients::age.le(age));
    }
    if let Some(day) = filter.created_after {
        query =
            query.filter(patients::created_at.ge(day.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    if let Some(day) = filter.created_before.and_then(|day| day.succ_opt()) {
        query =
            query.filter(patients::created_at.lt(day.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    query
}

pub(crate) async fn count_patients(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &PatientFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_patients(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &PatientFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<PatientRow>> {
    let mut query = filtered(organization, filter);
    for term in
        common_types::ordering::parse(ordering, &["created_at", "last_name", "first_name", "age"])
    {
        query = match (term.field, term.descending) {
            ("created_at", true) => query.then_order_by(patients::created_at.desc()),
            ("created_at", false) => query.then_order_by(patients::created_at.asc()),
            ("last_name", true) => query.then_order_by(patients::last_name.desc()),
            ("last_name", false) => query.then_order_by(patients::last_name.asc()),
            ("first_name", true) => query.then_order_by(patients::first_name.desc()),
            ("first_name", false) => query.then_order_by(patients::first_name.asc()),
            (_, true) => query.then_order_by(patients::age.desc()),
            (_, false) => query.then_order_by(patients::age.asc()),
        };
    }
    query
        .then_order_by(patients::created_at.desc())
        .then_order_by(patients::number.desc())
        .offset(offset)
        .limit(limit)
        .select(PatientRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_patient(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<PatientRow>> {
    patients::table
        .filter(patients::organization_id.eq(organization))
        .filter(patients::id.eq(id))
        .filter(patients::deleted_at.is_null())
        .select(PatientRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Also a deleted one: papers of the past still name it.
pub(crate) async fn get_patient_of_any_state(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<PatientRow> {
    patients::table
        .filter(patients::organization_id.eq(organization))
        .filter(patients::id.eq(id))
        .select(PatientRow::as_select())
        .first(conn)
        .await
}

pub(crate) async fn find_patient_by_number(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<PatientRow>> {
    patients::table
        .filter(patients::organization_id.eq(organization))
        .filter(patients::number.eq(number))
        .filter(patients::deleted_at.is_null())
        .select(PatientRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The patients of these ids, deleted ones included.
pub(crate) async fn find_patients(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    ids: &[Uuid],
) -> QueryResult<Vec<PatientRow>> {
    patients::table
        .filter(patients::organization_id.eq(organization))
        .filter(patients::id.eq_any(ids))
        .select(PatientRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn insert_patient(
    conn: &mut AsyncPgConnection,
    new: &NewPatient<'_>,
) -> QueryResult<Option<PatientRow>> {
    diesel::insert_into(patients::table)
        .values(new)
        .on_conflict((patients::organization_id, patients::patient_code))
        .do_nothing()
        .returning(PatientRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn update_patient(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: &PatientChange<'_>,
) -> QueryResult<PatientRow> {
    diesel::update(patients::table.find(id))
        .set((change, patients::version.eq(patients::version + 1)))
        .returning(PatientRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn has_open_invoices(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    patient: Uuid,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        invoices::table
            .filter(invoices::organization_id.eq(organization))
            .filter(invoices::patient_id.eq(patient))
            .filter(invoices::status.ne("cancelled")),
    ))
    .get_result(conn)
    .await
}

pub(crate) async fn hide_patient(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(patients::table.find(id))
        .set((
            patients::deleted_at.eq(now),
            patients::updated_at.eq(now),
            patients::version.eq(patients::version + 1),
        ))
        .execute(conn)
        .await
}
