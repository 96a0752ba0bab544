//! How much and how often somebody may start payments: per payer, per doctor (for SOAPify users) and
//! per address, counted in the database and therefore strict.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{PaymentError, Purpose, StartPayment};
use crate::settings::Rules;

#[derive(QueryableByName)]
struct Used {
    #[diesel(sql_type = BigInt)]
    started: i64,
    #[diesel(sql_type = BigInt)]
    amount: i64,
}

/// Refuses a start that is beyond the limits. Starts of the same payer or address wait for each
/// other here, so that parallel ones do not pass together.
///
/// # Errors
/// [`PaymentError::TooOften`], [`PaymentError::TooMuchToday`], or when the database refuses.
pub(super) async fn check(
    conn: &mut AsyncPgConnection,
    rules: &Rules,
    order: &StartPayment,
    now: DateTime<Utc>,
) -> Result<(), PaymentError> {
    let hour = now - TimeDelta::hours(1);
    let ip = order.origin.ip.to_string();
    lock(conn, &format!("velocity address {ip}")).await?;
    let here: Used = diesel::sql_query(
        "SELECT count(*) AS started, 0::bigint AS amount FROM payments \
         WHERE client_ip = $1 AND created_at > $2",
    )
    .bind::<Text, _>(&ip)
    .bind::<Timestamptz, _>(hour)
    .get_result(conn)
    .await?;
    refuse(
        here.started >= i64::from(rules.velocity.address_per_hour),
        "address",
    )?;
    let Some(payer) = order.payer_id else {
        return Ok(());
    };
    lock(conn, &format!("velocity payer {payer}")).await?;
    let currency = order.price.currency;
    let by_payer = |since: DateTime<Utc>, purpose: &'static str| {
        diesel::sql_query(
            "SELECT count(*) AS started, coalesce(sum(amount) FILTER (WHERE currency = $3), 0)::bigint AS amount \
             FROM payments WHERE payer_id = $1 AND created_at > $2 AND ($4 = '' OR purpose = $4) \
             AND NOT (status = 'failed' AND payment_url IS NULL)",
        )
        .bind::<SqlUuid, _>(payer)
        .bind::<Timestamptz, _>(since)
        .bind::<Text, _>(currency.code())
        .bind::<Text, _>(purpose)
    };
    let lately: Used = by_payer(hour, "").get_result(conn).await?;
    refuse(
        lately.started >= i64::from(rules.velocity.payer_per_hour),
        "payer",
    )?;
    let today: Used = by_payer(now - TimeDelta::days(1), "")
        .get_result(conn)
        .await?;
    let allowed = rules.payer_amount_per_day.of(currency);
    if today.amount.saturating_add(order.price.amount) > allowed {
        return Err(too_much("payer"));
    }
    if order.purpose == Purpose::Soapify {
        let soapify = Purpose::Soapify.as_str();
        let lately: Used = by_payer(hour, soapify).get_result(conn).await?;
        refuse(
            lately.started >= i64::from(rules.velocity.doctor_per_hour),
            "doctor",
        )?;
        let today: Used = by_payer(now - TimeDelta::days(1), soapify)
            .get_result(conn)
            .await?;
        let allowed = rules.doctor_amount_per_day.of(currency);
        if today.amount.saturating_add(order.price.amount) > allowed {
            return Err(too_much("doctor"));
        }
    }
    Ok(())
}

fn refuse(beyond: bool, who: &'static str) -> Result<(), PaymentError> {
    if !beyond {
        return Ok(());
    }
    metrics::counter!("payments_velocity_refused_total", "who" => who).increment(1);
    tracing::warn!(who, "too many payments started");
    Err(PaymentError::TooOften)
}

fn too_much(who: &'static str) -> PaymentError {
    metrics::counter!("payments_velocity_refused_total", "who" => who).increment(1);
    tracing::warn!(who, "too much money in one day");
    PaymentError::TooMuchToday
}

async fn lock(conn: &mut AsyncPgConnection, name: &str) -> diesel::QueryResult<usize> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 4))")
        .bind::<Text, _>(name)
        .execute(conn)
        .await
}
