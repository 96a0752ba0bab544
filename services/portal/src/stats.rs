//! Counters of the admin's dashboard (cimef.md 2.2, R19) that portal's own tables can tell.

use actix_web::{HttpResponse, get, web};
use chrono::Datelike;
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Date, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use serde_json::json;
use service_http::ApiError;

use crate::{
    clinic::Clinic,
    state::AppState,
    web::{Staff, actions::ReadStats, money_number},
};

#[derive(QueryableByName)]
struct Counters {
    #[diesel(sql_type = BigInt)]
    patients: i64,
    #[diesel(sql_type = BigInt)]
    patients_this_month: i64,
    #[diesel(sql_type = BigInt)]
    exam_types: i64,
    #[diesel(sql_type = BigInt)]
    reports: i64,
    #[diesel(sql_type = BigInt)]
    downloads: i64,
    #[diesel(sql_type = BigInt)]
    active_accesses: i64,
    #[diesel(sql_type = BigInt)]
    accesses: i64,
    #[diesel(sql_type = BigInt)]
    draft: i64,
    #[diesel(sql_type = BigInt)]
    sent: i64,
    #[diesel(sql_type = BigInt)]
    partially_paid: i64,
    #[diesel(sql_type = BigInt)]
    paid: i64,
    #[diesel(sql_type = BigInt)]
    cancelled: i64,
    #[diesel(sql_type = BigInt)]
    revenue: i64,
    #[diesel(sql_type = BigInt)]
    monthly_revenue: i64,
    #[diesel(sql_type = BigInt)]
    payments: i64,
    #[diesel(sql_type = BigInt)]
    payments_amount: i64,
    #[diesel(sql_type = BigInt)]
    monthly_payments: i64,
}

const COUNTERS: &str = "SELECT \
    (SELECT count(*) FROM patients WHERE organization_id = $1 AND deleted_at IS NULL) AS patients, \
    (SELECT count(*) FROM patients WHERE organization_id = $1 AND deleted_at IS NULL AND created_at >= $2) AS patients_this_month, \
    (SELECT count(*) FROM exam_types WHERE organization_id = $1 AND is_active) AS exam_types, \
    (SELECT count(*) FROM reports WHERE organization_id = $1 AND deleted_at IS NULL) AS reports, \
    (SELECT coalesce(sum(download_count), 0)::bigint FROM reports WHERE organization_id = $1) AS downloads, \
    (SELECT count(*) FROM patient_accesses WHERE organization_id = $1 AND is_active) AS active_accesses, \
    (SELECT coalesce(sum(access_count), 0)::bigint FROM patient_accesses WHERE organization_id = $1) AS accesses, \
    i.draft, i.sent, i.partially_paid, i.paid, i.cancelled, i.revenue, i.monthly_revenue, \
    p.payments, p.payments_amount, p.monthly_payments \
    FROM (SELECT count(*) FILTER (WHERE status = 'draft') AS draft, count(*) FILTER (WHERE status = 'sent') AS sent, \
            count(*) FILTER (WHERE status = 'partially_paid') AS partially_paid, count(*) FILTER (WHERE status = 'paid') AS paid, \
            count(*) FILTER (WHERE status = 'cancelled') AS cancelled, \
            coalesce(sum(total_amount) FILTER (WHERE status = 'paid'), 0)::bigint AS revenue, \
            coalesce(sum(total_amount) FILTER (WHERE status = 'paid' AND created_at >= $2), 0)::bigint AS monthly_revenue \
          FROM invoices WHERE organization_id = $1 AND hidden_at IS NULL) i, \
         (SELECT count(*) AS payments, coalesce(sum(amount - refunded_amount), 0)::bigint AS payments_amount, \
            coalesce(sum(amount - refunded_amount) FILTER (WHERE payment_date >= $2), 0)::bigint AS monthly_payments \
          FROM recorded_payments WHERE organization_id = $1 AND status = 'completed' AND voided_at IS NULL) p";

/// Counters of the clinic: patients, exams, invoices, payments, reports, keys.
#[utoipa::path(tag = "stats", responses((status = 200)))]
#[get("/api/auth/admin-stats")]
pub(crate) async fn admin_stats(
    state: web::Data<AppState>,
    staff: Staff<ReadStats>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.db.get().await?;
    let clinic = Clinic::of(&mut conn, staff.organization(), &state.settings.clinic).await?;
    let today = clinic.local(state.now()).date();
    let month = today.with_day(1).unwrap_or(today);
    let week = today - chrono::TimeDelta::days(i64::from(today.weekday().num_days_from_monday()));
    let c: Counters = sql_query(COUNTERS)
        .bind::<SqlUuid, _>(staff.organization())
        .bind::<Date, _>(month)
        .get_result(&mut conn)
        .await?;
    let money = |minor| money_number(clinic.currency, minor);
    Ok(HttpResponse::Ok().json(json!({
        "user": {"id": staff.user_number(), "full_name": staff.name, "role": "Administrateur"},
        "today": today,
        "start_of_week": week,
        "start_of_month": month,
        "total_patients": c.patients,
        "patients_this_month": c.patients_this_month,
        "total_invoices": c.draft + c.sent + c.partially_paid + c.paid + c.cancelled,
        "total_exams": c.exam_types,
        "total_reports": c.reports,
        "total_report_downloads": c.downloads,
        "active_patient_accesses": c.active_accesses,
        "total_portal_accesses": c.accesses,
        "total_revenue": money(c.revenue),
        "monthly_revenue": money(c.monthly_revenue),
        "total_payments": c.payments,
        "total_payments_amount": money(c.payments_amount),
        "monthly_payments": money(c.monthly_payments),
        "invoices_status": {
            "draft": c.draft,
            "sent": c.sent,
            "partially_paid": c.partially_paid,
            "paid": c.paid,
            "cancelled": c.cancelled,
        },
    })))
}
