//! Rows of exam types and examinations.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{exam_types, examinations, invoices, patients};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = exam_types)]
pub(crate) struct ExamTypeRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price_amount: i64,
    pub(crate) duration_minutes: i32,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct ExamTypeFilter {
    pub(crate) words: Vec<String>,
    pub(crate) is_active: Option<bool>,
    pub(crate) price_min: Option<i64>,
    pub(crate) price_max: Option<i64>,
}

fn filtered<'a>(
    organization: Uuid,
    filter: &'a ExamTypeFilter,
) -> exam_types::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = exam_types::table
        .filter(exam_types::organization_id.eq(organization))
        .into_boxed();
    for word in &filter.words {
        query = query.filter(
            exam_types::name
                .ilike(word)
                .or(exam_types::description.ilike(word)),
        );
    }
    if let Some(active) = filter.is_active {
        query = query.filter(exam_types::is_active.eq(active));
    }
    if let Some(least) = filter.price_min {
        query = query.filter(exam_types::price_amount.ge(least));
    }
    if let Some(most) = filter.price_max {
        query = query.filter(exam_types::price_amount.le(most));
    }
    query
}

pub(crate) async fn count_exam_types(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ExamTypeFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_exam_types(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ExamTypeFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<ExamTypeRow>> {
    let mut query = filtered(organization, filter);
    for term in common_types::ordering::parse(
        ordering,
        &["name", "price", "created_at", "duration_minutes"],
    ) {
        query = match (term.field, term.descending) {
            ("name", true) => query.then_order_by(exam_types::name.desc()),
            ("name", false) => query.then_order_by(exam_types::name.asc()),
            ("price", true) => query.then_order_by(exam_types::price_amount.desc()),
            ("price", false) => query.then_order_by(exam_types::price_amount.asc()),
            ("created_at", true) => query.then_order_by(exam_types::created_at.desc()),
            ("created_at", false) => query.then_order_by(exam_types::created_at.asc()),
            (_, true) => query.then_order_by(exam_types::duration_minutes.desc()),
            (_, false) => query.then_order_by(exam_types::duration_minutes.asc()),
        };
    }
    query
        .then_order_by(exam_types::name.asc())
        .offset(offset)
        .limit(limit)
        .select(ExamTypeRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_exam_type(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<ExamTypeRow>> {
    exam_types::table
        .filter(exam_types::organization_id.eq(organization))
        .filter(exam_types::number.eq(number))
        .select(ExamTypeRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_exam_types_by_number(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    numbers: &[i64],
) -> QueryResult<Vec<ExamTypeRow>> {
    exam_types::table
        .filter(exam_types::organization_id.eq(organization))
        .filter(exam_types::number.eq_any(numbers))
        .select(ExamTypeRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_exam_types(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    ids: &[Uuid],
) -> QueryResult<Vec<ExamTypeRow>> {
    exam_types::table
        .filter(exam_types::organization_id.eq(organization))
        .filter(exam_types::id.eq_any(ids))
        .select(ExamTypeRow::as_select())
        .load(conn)
        .await
}

/// Columns that a client may write.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = exam_types)]
pub(crate) struct ExamTypeValues<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) price_amount: i64,
    pub(crate) duration_minutes: i32,
    pub(crate) is_active: bool,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_exam_type(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    values: &ExamTypeValues<'_>,
) -> QueryResult<ExamTypeRow> {
    diesel::insert_into(exam_types::table)
        .values((
            values,
            exam_types::id.eq(Uuid::now_v7()),
            exam_types::organization_id.eq(organization),
            exam_types::created_at.eq(values.updated_at),
        ))
        .returning(ExamTypeRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn update_exam_type(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    values: &ExamTypeValues<'_>,
) -> QueryResult<ExamTypeRow> {
    diesel::update(exam_types::table.find(id))
        .set(values)
        .returning(ExamTypeRow::as_returning())
        .get_result(conn)
        .await
}

/// Lines and examinations that name the type keep their text.
pub(crate) async fn delete_exam_type(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(exam_types::table.find(id))
        .execute(conn)
        .await
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = examinations)]
pub(crate) struct ExaminationRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) patient_id: Uuid,
    pub(crate) exam_type_id: Option<Uuid>,
    pub(crate) exam_name: String,
    pub(crate) invoice_id: Option<Uuid>,
    pub(crate) performed_on: NaiveDate,
    pub(crate) status: String,
    pub(crate) notes: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = examinations)]
pub(crate) struct NewExamination<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) exam_type_id: Option<Uuid>,
    pub(crate) exam_name: &'a str,
    pub(crate) performed_on: NaiveDate,
    pub(crate) status: &'a str,
    pub(crate) notes: &'a str,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_examination(
    conn: &mut AsyncPgConnection,
    new: &NewExamination<'_>,
) -> QueryResult<ExaminationRow> {
    diesel::insert_into(examinations::table)
        .values(new)
        .returning(ExaminationRow::as_returning())
        .get_result(conn)
        .await
}

/// What a list of examinations may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct ExaminationFilter {
    pub(crate) patient: Option<i64>,
    pub(crate) status: Option<String>,
    pub(crate) words: Vec<String>,
}

type Joined<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::InnerJoinOn<
        examinations::table,
        patients::table,
        diesel::dsl::Eq<patients::id, examinations::patient_id>,
    >,
    diesel::pg::Pg,
>;

fn narrowed<'a>(organization: Uuid, filter: &'a ExaminationFilter) -> Joined<'a> {
    let mut query = examinations::table
        .inner_join(patients::table.on(patients::id.eq(examinations::patient_id)))
        .into_boxed()
        .filter(examinations::organization_id.eq(organization))
        .filter(patients::deleted_at.is_null());
    if let Some(patient) = filter.patient {
        query = query.filter(patients::number.eq(patient));
    }
    if let Some(status) = &filter.status {
        query = query.filter(examinations::status.eq(status));
    }
    for word in &filter.words {
        query = query.filter(
            examinations::exam_name
                .ilike(word)
                .or(patients::first_name.ilike(word))
                .or(patients::last_name.ilike(word))
                .or(patients::patient_code.ilike(word)),
        );
    }
    query
}

pub(crate) async fn count_examinations(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ExaminationFilter,
) -> QueryResult<i64> {
    narrowed(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_examinations(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &ExaminationFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<ExaminationRow>> {
    narrowed(organization, filter)
        .order_by((
            examinations::performed_on.desc(),
            examinations::number.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select(ExaminationRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_examination(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<ExaminationRow>> {
    examinations::table
        .filter(examinations::organization_id.eq(organization))
        .filter(examinations::number.eq(number))
        .select(ExaminationRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn set_examination_status(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    status: &str,
    performed_by: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<ExaminationRow> {
    diesel::update(examinations::table.find(id))
        .set((
            examinations::status.eq(status),
            examinations::performed_by.eq(performed_by),
            examinations::updated_at.eq(now),
        ))
        .returning(ExaminationRow::as_returning())
        .get_result(conn)
        .await
}

/// Numbers of these invoices, as clients know them.
pub(crate) async fn invoice_numbers(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    ids: &[Uuid],
) -> QueryResult<Vec<(Uuid, i64)>> {
    invoices::table
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::id.eq_any(ids))
        .select((invoices::id, invoices::number))
        .load(conn)
        .await
}
