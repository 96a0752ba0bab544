use chrono::{DateTime, Utc};
use common_types::{Money, internal::auth::UserInfo};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_auth::InternalError;
use service_http::idempotency::{self, Stored};
use uuid::Uuid;

use super::{PayoutError, dto::PayoutResponse};
use crate::{
    AppState,
    ledger::{self, AccountKey, Leg, Posting, TransferKind},
    payment::{Origin, Request},
    reconciliation,
    schema::payouts,
};

/// A payout to be recorded.
#[derive(Debug, Clone)]
pub struct RecordPayout {
    /// Whose bank account.
    pub organization_id: Uuid,
    /// The provider's slug.
    pub provider: String,
    /// How much.
    pub price: Money,
    /// The bank's number.
    pub bank_reference: String,
    /// Who records it.
    pub by: Uuid,
    /// From where; for the audit row.
    pub origin: Origin,
    /// The request's key.
    pub key: Request,
}

/// Records a payout: what the provider owes moves into the bank account. Whoever has a new phone
/// number records none for as long as auth-otp says (Q-A8); when it says nothing, nothing is recorded.
///
/// # Errors
/// See [`PayoutError`].
pub async fn record(state: &AppState, asked: &RecordPayout) -> Result<Stored, PayoutError> {
    if let Some(until) = held_until(state, asked.by).await? {
        return Err(PayoutError::Held(until));
    }
    let (id, now) = (Uuid::now_v7(), state.now());
    let (organization, currency) = (asked.organization_id, asked.price.currency);
    let stored = state
        .stack
        .db
        .transaction(async |conn| {
            let key = &asked.key;
            let scope = (key.subject.as_str(), key.route);
            if let Some(earlier) =
                idempotency::begin(conn, scope, &key.key, &key.body_hash).await?
            {
                return Ok(earlier?);
            }
            if reconciliation::blocks_payouts(conn, organization, &asked.provider).await? {
                return Err(PayoutError::Blocked);
            }
            if owed(conn, asked).await? < asked.price.amount {
                return Err(PayoutError::TooMuch);
            }
            let posting = Posting {
                organization_id: organization,
                kind: TransferKind::Payout,
                reference: id.to_string(),
                description: asked.bank_reference.clone(),
                legs: Leg::pair(
                    AccountKey::bank(organization, currency),
                    AccountKey::clearing(organization, &asked.provider, currency),
                    asked.price.amount,
                ),
            };
            let transfer = ledger::post(conn, &posting, now).await?;
            let row: PayoutResponse = diesel::insert_into(payouts::table)
                .values((
                    payouts::id.eq(id),
                    payouts::organization_id.eq(organization),
                    payouts::provider.eq(&asked.provider),
                    payouts::amount.eq(asked.price.amount),
                    payouts::currency.eq(currency.code()),
                    payouts::bank_reference.eq(&asked.bank_reference),
                    payouts::transfer_id.eq(transfer),
                    payouts::recorded_by.eq(asked.by),
                    payouts::created_at.eq(now),
                ))
                .returning(PayoutResponse::as_returning())
                .get_result(conn)
                .await?;
            let entry = AuditEntry::new(asked.by.to_string(), ActorKind::User, "payout.recorded", now)
                .subject("payout", id)
                .organization(Some(organization))
                .origin(Some(asked.origin.ip), asked.origin.request_id.clone())
                .details(json!({ "provider": asked.provider, "amount": asked.price.amount, "currency": currency.code() }));
            service_audit::record(conn, entry).await?;
            let stored = Stored::json(actix_web::http::StatusCode::CREATED, &row)
                .map_err(anyhow::Error::from)?;
            idempotency::finish(conn, scope, &key.key, &key.body_hash, &stored).await?;
            Ok::<_, PayoutError>(stored)
        })
        .await?;
    Ok(stored)
}

/// Until when the payouts of this person wait, if they do.
async fn held_until(state: &AppState, by: Uuid) -> Result<Option<DateTime<Utc>>, PayoutError> {
    let path = format!("/internal/users/{by}");
    let answer: Result<UserInfo, InternalError> = state.auth_otp.get_json(&path).await;
    let user = answer.map_err(|error| match error.status() {
        Some(404) => PayoutError::NotActive,
        _ => PayoutError::Unanswered(error.to_string()),
    })?;
    Ok(user.payouts_held_until.filter(|until| *until > state.now()))
}

/// What the provider owes; payouts of the same provider wait for each other.
async fn owed(conn: &mut AsyncPgConnection, asked: &RecordPayout) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Owed {
        #[diesel(sql_type = BigInt)]
        owed: i64,
    }
    let lock = format!("payout {} {}", asked.organization_id, asked.provider);
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 5))")
        .bind::<Text, _>(lock)
        .execute(conn)
        .await?;
    let row: Owed = diesel::sql_query(
        "SELECT -coalesce(sum(balance), 0)::bigint AS owed FROM ledger_accounts \
         WHERE organization_id = $1 AND code = $2 AND owner_id IS NULL AND currency = $3",
    )
    .bind::<SqlUuid, _>(asked.organization_id)
    .bind::<Text, _>(format!("clearing:{}", asked.provider))
    .bind::<Text, _>(asked.price.currency.code())
    .get_result(conn)
    .await?;
    Ok(row.owed)
}

/// An organisation's payouts, newest first, and how many there are.
pub(super) async fn list_payouts(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    (offset, limit): (i64, i64),
) -> QueryResult<(i64, Vec<PayoutResponse>)> {
    let own = || payouts::table.filter(payouts::organization_id.eq(organization));
    let total = own().count().get_result(conn).await?;
    let rows = own()
        .order((payouts::created_at.desc(), payouts::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(PayoutResponse::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}
