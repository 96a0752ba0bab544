//! Stripe's list of paid sessions.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{ListsSettlements, ProviderError, SettledLine, answers, stripe::Stripe};

/// A session can be paid for a day after it was opened.
const OPEN: TimeDelta = TimeDelta::hours(24);
/// Sessions of one page, Stripe's most.
const PAGE: usize = 100;
/// Pages read at most: a list that is longer is not whole.
const PAGES: usize = 500;

/// A session names the moment it was opened, not when it was paid: the list also holds sessions opened
/// up to a day before, and a line's `paid_at` is the opening.
#[async_trait]
impl ListsSettlements for Stripe {
    async fn settled_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<SettledLine>, ProviderError> {
        let (since, until) = ((from - OPEN).timestamp(), to.timestamp());
        let first = format!(
            "{}/checkout/sessions?limit={PAGE}&created[gte]={since}&created[lt]={until}\
             &expand[]=data.payment_intent.latest_charge",
            self.base
        );
        let mut lines = Vec::new();
        let mut page = first.clone();
        for _ in 0..PAGES {
            let list = self.call(self.http.get(&page)).await?;
            let sessions = list["data"]
                .as_array()
                .ok_or_else(|| ProviderError::Unknown("no list of sessions".to_owned()))?;
            let paid = sessions
                .iter()
                .filter(|session| session["payment_status"] == "paid");
            for session in paid {
                lines.push(line(session)?);
            }
            let last = sessions.last().and_then(|last| answers::text(&last["id"]));
            match (list["has_more"].as_bool(), last) {
                (Some(true), Some(last)) => page = format!("{first}&starting_after={last}"),
                (Some(_), _) => return Ok(lines),
                (None, _) => break,
            }
        }
        Err(ProviderError::Unknown("the list is not whole".to_owned()))
    }
}

fn line(session: &Value) -> Result<SettledLine, ProviderError> {
    let whole = || {
        Some(SettledLine {
            reference: answers::text(&session["id"])?,
            order_id: answers::text(&session["client_reference_id"]),
            amount: session["amount_total"].as_i64()?,
            currency: session["currency"].as_str()?.to_uppercase(),
            refunded: session["payment_intent"]["latest_charge"]["amount_refunded"].as_i64()?,
            paid_at: DateTime::from_timestamp(session["created"].as_i64()?, 0)?,
        })
    };
    whole().ok_or_else(|| ProviderError::Unknown("a session without its amount".to_owned()))
}
