//! The rial/toman guard: a toman is ten rials, and people slip by that factor.

use common_types::Currency;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_types::Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::StartPayment;

/// Why an amount looks wrong by a factor of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Ten times an amount that this payer paid for this purpose before.
    TenTimes,
    /// A tenth of one.
    Tenth,
}

impl Suspicion {
    /// As it stands in the answer's `warnings`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::TenTimes => "amount.maybe_rial_for_toman",
            Self::Tenth => "amount.maybe_toman_for_rial",
        }
    }
}

#[derive(QueryableByName)]
struct Likeness {
    #[diesel(sql_type = Bool)]
    usual: bool,
    #[diesel(sql_type = Bool)]
    ten_times: bool,
    #[diesel(sql_type = Bool)]
    tenth: bool,
}

/// Compares a rial amount with the payer's last twenty paid ones of the same purpose: an amount that
/// was never paid, but ten times or a tenth of it was, is suspicious. It is said, not refused.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn suspicion(
    conn: &mut AsyncPgConnection,
    order: &StartPayment,
) -> diesel::QueryResult<Option<Suspicion>> {
    let (Some(payer), Currency::Irr) = (order.payer_id, order.price.currency) else {
        return Ok(None);
    };
    let amount = order.price.amount;
    let Some(tenfold) = amount.checked_mul(10) else {
        return Ok(None);
    };
    let tenth = if amount % 10 == 0 { amount / 10 } else { 0 };
    let found: Likeness = diesel::sql_query(
        "SELECT coalesce(bool_or(amount = $3), false) AS usual, coalesce(bool_or(amount = $4), false) AS ten_times, \
         coalesce(bool_or(amount = $5), false) AS tenth FROM (SELECT amount FROM payments WHERE payer_id = $1 \
         AND purpose = $2 AND currency = 'IRR' AND completed_at IS NOT NULL ORDER BY created_at DESC LIMIT 20) AS paid",
    )
    .bind::<SqlUuid, _>(payer)
    .bind::<Text, _>(order.purpose.as_str())
    .bind::<BigInt, _>(amount)
    .bind::<BigInt, _>(tenth)
    .bind::<BigInt, _>(tenfold)
    .get_result(conn)
    .await?;
    Ok(match found {
        Likeness { usual: true, .. } => None,
        Likeness {
            ten_times: true, ..
        } => Some(Suspicion::TenTimes),
        Likeness { tenth: true, .. } => Some(Suspicion::Tenth),
        _ => None,
    })
}
