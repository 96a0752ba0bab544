//! Automatic charges of a wallet that falls below its threshold. No provider here takes money without
//! the payer, so the service opens the payment by itself and tells the owner where to pay.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{
    Currency, Language, Money,
    internal::integrations::{
        Channel, DeliveryMode, MessagePurpose, SendMessageRequest, SendMessageResponse,
    },
};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use crate::{
    AppState,
    payment::{Origin, Payment, PaymentError, Purpose, Request, StartPayment, find_payment, start},
    person,
    schema::wallet_top_ups as top_ups,
};

/// Wallets charged in one round.
const ROUND: i64 = 50;
/// An unpaid charge is not repeated before this time.
const PAUSE: TimeDelta = TimeDelta::hours(24);

/// When and with how much a wallet is charged by itself.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = top_ups, check_for_backend(diesel::pg::Pg))]
pub struct TopUp {
    /// The organisation in whose book the wallet stands.
    pub organization_id: Uuid,
    /// Whose wallet.
    pub owner_id: Uuid,
    /// ISO code.
    pub currency: String,
    /// Below this balance it is charged, minor units.
    pub threshold: i64,
    /// With so much, minor units.
    pub amount: i64,
    /// The charge that was opened last.
    pub payment_id: Option<Uuid>,
}

/// Sets the rule of a wallet.
///
/// # Errors
/// When the database refuses.
pub(super) async fn set(
    conn: &mut AsyncPgConnection,
    rule: &TopUp,
    now: DateTime<Utc>,
) -> QueryResult<TopUp> {
    let values = (
        top_ups::threshold.eq(rule.threshold),
        top_ups::amount.eq(rule.amount),
        top_ups::updated_at.eq(now),
    );
    diesel::insert_into(top_ups::table)
        .values((
            top_ups::organization_id.eq(rule.organization_id),
            top_ups::owner_id.eq(rule.owner_id),
            top_ups::currency.eq(&rule.currency),
            values,
        ))
        .on_conflict((
            top_ups::organization_id,
            top_ups::owner_id,
            top_ups::currency,
        ))
        .do_update()
        .set(values)
        .returning(TopUp::as_returning())
        .get_result(conn)
        .await
}

/// The rule of a wallet, when there is one.
///
/// # Errors
/// When the database refuses.
pub(super) async fn find(
    conn: &mut AsyncPgConnection,
    (organization, owner, currency): (Uuid, Uuid, Currency),
) -> QueryResult<Option<TopUp>> {
    top_ups::table
        .find((organization, owner, currency.code()))
        .select(TopUp::as_select())
        .first(conn)
        .await
        .optional()
}

/// Takes the rule away; `false` when there was none.
///
/// # Errors
/// When the database refuses.
pub(super) async fn remove(
    conn: &mut AsyncPgConnection,
    (organization, owner, currency): (Uuid, Uuid, Currency),
) -> QueryResult<bool> {
    let gone = diesel::delete(top_ups::table.find((organization, owner, currency.code())))
        .execute(conn)
        .await?;
    Ok(gone == 1)
}

/// Charges the wallets that fell below their threshold; answers how many payments were opened.
///
/// # Errors
/// When the database does not answer.
pub async fn run_due_top_ups(state: &AppState) -> Result<usize, PaymentError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    // Whoever claims a wallet has it for a minute.
    let due: Vec<TopUp> = diesel::sql_query(
        "UPDATE wallet_top_ups SET checked_at = $1 WHERE (organization_id, owner_id, currency) IN (\
         SELECT t.organization_id, t.owner_id, t.currency FROM wallet_top_ups t LEFT JOIN ledger_accounts a \
         ON a.organization_id = t.organization_id AND a.owner_id = t.owner_id AND a.currency = t.currency \
         AND a.code = 'wallet' LEFT JOIN payments p ON p.id = t.payment_id WHERE coalesce(a.balance, 0) < t.threshold \
         AND (t.checked_at IS NULL OR t.checked_at < $2) AND (p.id IS NULL OR p.completed_at IS NOT NULL \
         OR (p.status NOT IN ('pending', 'processing') AND p.created_at < $3)) LIMIT $4 FOR UPDATE OF t SKIP LOCKED) \
         RETURNING organization_id, owner_id, currency, threshold, amount, payment_id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - TimeDelta::minutes(1))
    .bind::<Timestamptz, _>(now - PAUSE)
    .bind::<BigInt, _>(ROUND)
    .load(&mut conn)
    .await?;
    drop(conn);
    let mut opened = 0;
    for rule in &due {
        match charge(state, rule).await {
            Ok(()) => opened += 1,
            Err(error) => {
                tracing::warn!(owner = %rule.owner_id, %error, "a wallet was not charged by itself");
            }
        }
    }
    Ok(opened)
}

async fn charge(state: &AppState, rule: &TopUp) -> Result<(), PaymentError> {
    let currency: Currency = rule
        .currency
        .parse()
        .map_err(|_| anyhow::anyhow!("currency {}", rule.currency))?;
    // One charge follows the other: the key is the one before, so that a crash opens none twice.
    let before = rule
        .payment_id
        .map_or_else(|| "first".to_owned(), |id| id.to_string());
    let order = StartPayment {
        organization_id: rule.organization_id,
        payer_id: Some(rule.owner_id),
        purpose: Purpose::WalletCharge,
        price: Money::new(rule.amount, currency),
        invoice_id: None,
        soapify_user_id: None,
        description: "شارژ خودکار کیف پول".to_owned(),
        return_url: None,
        origin: Origin::here(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        request: Some(Request {
            subject: format!(
                "top-up:{}:{}:{}",
                rule.organization_id, rule.owner_id, rule.currency
            ),
            route: "wallet-top-up",
            key: before,
            body_hash: [0; 32],
        }),
    };
    let stored = start(
        state.clone(),
        order,
        |payment: &Payment| json!({ "id": payment.id }),
    )
    .await?;
    let id: Option<Uuid> = serde_json::from_slice::<serde_json::Value>(&stored.body)
        .ok()
        .and_then(|body| body["id"].as_str()?.parse().ok());
    let id = id.ok_or_else(|| anyhow::anyhow!("a charge without id"))?;
    let mut conn = state.stack.db.get().await?;
    let key = (rule.organization_id, rule.owner_id, rule.currency.as_str());
    diesel::update(top_ups::table.find(key))
        .set(top_ups::payment_id.eq(id))
        .execute(&mut conn)
        .await?;
    let payment = find_payment(&mut conn, id)
        .await?
        .ok_or(PaymentError::NotFound)?;
    let phone = person::find_phone(&mut conn, rule.owner_id).await?;
    drop(conn);
    metrics::counter!("payments_top_ups_total").increment(1);
    if let Some((phone, url)) = phone.zip(payment.payment_url.clone()) {
        tell(state, &payment, phone, &url).await;
    }
    Ok(())
}

/// Tells the owner where to pay; the key keeps it from being sent twice.
async fn tell(state: &AppState, payment: &Payment, phone: String, url: &str) {
    let message = SendMessageRequest {
        idempotency_key: format!("payments:top-up:{}", payment.id),
        channel: Channel::Sms,
        to: phone,
        language: Language::Fa,
        subject: None,
        text: format!("موجودی کیف پول شما کم است. برای شارژ: {url}"),
        html: None,
        purpose: MessagePurpose::Notification,
        template: None,
        mode: DeliveryMode::Queued,
        organization_id: Some(payment.organization_id),
        reference: Some(payment.id.to_string()),
    };
    let sent: Result<SendMessageResponse, _> = state
        .integrations
        .post_json("/internal/messages/", &message)
        .await;
    if let Err(error) = sent {
        tracing::warn!(payment = %payment.id, %error, "the owner of a wallet was not told");
    }
}
