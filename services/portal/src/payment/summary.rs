//! `/api/payments/summary/`: what came in, by method (cimef.md 2.6).

use actix_web::{HttpResponse, get, web};
use chrono::{Days, NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::json;
use service_http::{ApiError, Query};

use super::{error::PaymentError, store};
use crate::{
    clinic::Clinic,
    state::AppState,
    web::{Act, Staff, actions::ReadPayments, filter_day, money_text},
};

/// Days that are summed when the caller names none.
const DEFAULT_SPAN: Days = Days::new(30);

#[derive(Debug, Deserialize)]
struct SummaryQuery {
    start_date: Option<String>,
    end_date: Option<String>,
}

/// Sums of completed payments from `start_date` to the end of `end_date`; the last 30 days by default.
#[utoipa::path(tag = "recorded payments", params(("start_date" = Option<NaiveDate>, Query), ("end_date" = Option<NaiveDate>, Query)), responses((status = 200), (status = 400)))]
#[get("/api/payments/summary")]
pub(crate) async fn payment_summary(
    state: web::Data<AppState>,
    staff: Staff<ReadPayments>,
    query: Query<SummaryQuery>,
) -> Result<HttpResponse, ApiError> {
    let start = filter_day("start_date", query.start_date.as_deref())?;
    let end = filter_day("end_date", query.end_date.as_deref())?;
    let (organization, now) = (staff.organization(), state.now());
    let body = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let end = end.unwrap_or_else(|| clinic.local(now).date());
            let start = start.unwrap_or_else(|| end.checked_sub_days(DEFAULT_SPAN).unwrap_or(end));
            let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
            let sums = store::sum_by_method(
                conn,
                organization,
                (midnight(start), midnight(end.succ_opt().unwrap_or(end))),
            )
            .await?;
            let act = Act::on("recorded_payments.summed", "recorded_payment", &[]);
            staff.who().record(conn, act, now).await?;
            let of = |methods: &[&str]| {
                let sum = sums
                    .iter()
                    .filter(|row| methods.contains(&row.payment_method.as_str()))
                    .map(|row| row.amount)
                    .sum();
                money_text(clinic.currency, sum)
            };
            Ok::<_, PaymentError>(json!({
                "total_payments": money_text(clinic.currency, sums.iter().map(|row| row.amount).sum()),
                "total_cash": of(&["cash"]),
                "total_mobile_money": of(&["mobile_money", "orange_money", "wave", "free_money"]),
                "total_bank_transfer": of(&["bank_transfer"]),
                "total_check": of(&["check"]),
                "total_card": of(&["credit_card"]),
                "total_online": of(&["online"]),
                "payment_count": sums.iter().map(|row| row.payments).sum::<i64>(),
                "period_start": start,
                "period_end": end,
            }))
        })
        .await?;
    Ok(HttpResponse::Ok().json(body))
}
