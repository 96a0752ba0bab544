use std::{net::IpAddr, time::Duration};

use chrono::TimeDelta;
use common_types::Money;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry};
use service_db::{crash_point, violated};
use service_http::idempotency::{self, Stored};
use uuid::Uuid;

use super::{
    Payment, PaymentError, Purpose, Status, insert, model::next_check, opening, settle, store,
    transitions, velocity,
};
use crate::{AppState, providers::ProviderError};

/// A start that was not finished within this time was left behind by a process that died.
const LEFT_BEHIND: TimeDelta = TimeDelta::seconds(20);
/// How long a repeated start waits for the first one's answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A payment to be started.
#[derive(Debug, Clone)]
pub struct StartPayment {
    /// Its organisation.
    pub organization_id: Uuid,
    /// Who starts it.
    pub payer_id: Option<Uuid>,
    /// What for.
    pub purpose: Purpose,
    /// How much.
    pub price: Money,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// SOAPify's user, when the purpose is one.
    pub soapify_user_id: Option<String>,
    /// Shown to the payer.
    pub description: String,
    /// Where the payer is sent afterwards.
    pub return_url: Option<String>,
    /// From where it was asked for; for the audit row.
    pub origin: Origin,
    /// The request's key. Without one, a repeat within 30 seconds is the same payment.
    pub request: Option<Request>,
}

/// From where a payment is started.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address.
    pub ip: IpAddr,
    /// The request's id.
    pub request_id: Option<String>,
}

impl Origin {
    /// The running request, seen from `ip`.
    #[must_use]
    pub fn here(ip: IpAddr) -> Self {
        Self {
            ip,
            request_id: service_telemetry::current_request_id(),
        }
    }
}

/// A request with an `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub subject: String,
    /// Where.
    pub route: &'static str,
    /// The key.
    pub key: String,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// What the first transaction found.
enum Begun {
    /// An earlier answer.
    Answer(Stored),
    /// An earlier payment that answers this request too.
    Same(Box<Payment>),
    /// An earlier start that is still running.
    Running(Uuid),
    /// To be opened at the provider.
    Open(Box<Payment>),
}

/// Starts a payment at the first provider that takes it and answers what `render` makes of it, status 201.
///
/// Three steps, because no call is made inside a transaction: the payment is written down with the
/// request's key; the provider opens it; the answer is kept together with the change. A process
/// that dies in between leaves a pending payment, which the same request takes up again, or the
/// worker finds at the provider.
///
/// # Errors
/// See [`PaymentError`].
pub async fn start<R>(
    state: AppState,
    order: StartPayment,
    render: R,
) -> Result<Stored, PaymentError>
where
    R: Fn(&Payment) -> Value + Send + Sync,
{
    let ceiling = state.rules.ceiling.of(order.price.currency);
    let most = state.rules.max_amount.min(ceiling);
    if order.price.amount <= 0 || order.price.amount > most {
        return Err(PaymentError::BadAmount);
    }
    match begin(&state, &order).await? {
        Begun::Answer(stored) => Ok(stored),
        Begun::Same(payment) => answer(&render, &payment),
        Begun::Running(id) => answer(&render, &first_answer(&state, id).await?),
        Begun::Open(payment) => open(&state, &order, &payment, &render).await,
    }
}

/// The earlier answer of a keyed request, before anything else is asked for it.
///
/// # Errors
/// See [`PaymentError`].
pub(crate) async fn earlier_answer(
    state: &AppState,
    request: &Request,
) -> Result<Option<Stored>, PaymentError> {
    state
        .stack
        .db
        .transaction(async |conn| {
            let scope = (request.subject.as_str(), request.route);
            let found = idempotency::begin(conn, scope, &request.key, &request.body_hash).await?;
            Ok::<_, PaymentError>(found.transpose()?)
        })
        .await
}

async fn begin(state: &AppState, order: &StartPayment) -> Result<Begun, PaymentError> {
    let (id, now) = (Uuid::now_v7(), state.now());
    let provider = state
        .providers
        .route(order.price)
        .into_iter()
        .next()
        .map(|provider| provider.slug())
        .ok_or(PaymentError::NoProvider)?;
    let expires_at = now + TimeDelta::minutes(state.rules.expiry_minutes);
    let begun = state
        .stack
        .db
        .transaction(async |conn| {
            let earlier = match &order.request {
                Some(request) => earlier_by_key(conn, request, now).await?,
                None => earlier_by_likeness(state, conn, order, now).await?,
            };
            if let Some(earlier) = earlier {
                return Ok(earlier);
            }
            velocity::check(conn, &state.rules, order, now).await?;
            let payment =
                insert::insert_payment(conn, id, order, provider, (now, expires_at)).await?;
            let details = json!({ "purpose": order.purpose.as_str(), "provider": provider });
            insert::insert_log(conn, id, "request", details, now).await?;
            service_audit::record(conn, audit_entry(id, order, now)).await?;
            // Found by the worker when this process dies before the provider answers.
            let soon = next_check(2, true, true, now);
            transitions::note_check(conn, id, soon).await?;
            crash_point!("start.before_commit");
            Ok::<_, PaymentError>(Begun::Open(Box::new(payment)))
        })
        .await;
    match begun {
        // Another request with this key was faster by a moment.
        Err(PaymentError::Db(service_db::DbError::Query(error)))
            if violated(&error) == Some("payments_request") =>
        {
            Err(PaymentError::InFlight)
        }
        other => other,
    }
}

/// Who started which payment, of what, from where.
pub(crate) fn audit_entry(
    id: Uuid,
    order: &StartPayment,
    now: chrono::DateTime<chrono::Utc>,
) -> AuditEntry {
    let actor = order
        .payer_id
        .map(|payer| payer.to_string())
        .unwrap_or_default();
    AuditEntry::new(actor, ActorKind::User, "payment.started", now)
        .subject("payment", id)
        .organization(Some(order.organization_id))
        .origin(Some(order.origin.ip), order.origin.request_id.clone())
        .details(json!({
            "purpose": order.purpose.as_str(),
            "amount": order.price.amount,
            "currency": order.price.currency.code(),
            "invoice_id": order.invoice_id,
            "soapify_user_id": order.soapify_user_id,
        }))
}

async fn earlier_by_key(
    conn: &mut AsyncPgConnection,
    request: &Request,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<Begun>, PaymentError> {
    let scope = (request.subject.as_str(), request.route);
    if let Some(stored) = idempotency::begin(conn, scope, &request.key, &request.body_hash).await? {
        return Ok(Some(Begun::Answer(stored?)));
    }
    let Some((payment, hash)) = store::find_by_request(conn, request).await? else {
        return Ok(None);
    };
    if hash.as_deref() != Some(&request.body_hash) {
        return Err(PaymentError::OtherBody);
    }
    match payment.status {
        Status::Pending if now - payment.updated_at < LEFT_BEHIND => Err(PaymentError::InFlight),
        Status::Pending => match transitions::take_over(conn, &payment, now).await? {
            true => Ok(Some(Begun::Open(Box::new(payment)))),
            false => Err(PaymentError::InFlight),
        },
        // It failed before anybody could pay: the same request may try again.
        Status::Failed if payment.payment_url.is_none() => {
            transitions::release_request(conn, payment.id).await?;
            Ok(None)
        }
        // Its answer was kept for seven days and is gone; the payment itself still answers.
        _ => Ok(Some(Begun::Same(Box::new(payment)))),
    }
}

/// The 30-second rule of routes whose clients send no key.
async fn earlier_by_likeness(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    order: &StartPayment,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<Begun>, PaymentError> {
    let likeness = format!(
        "payment {} {:?} {} {} {:?} {:?}",
        order.organization_id,
        order.payer_id,
        order.purpose,
        order.price.amount,
        order.soapify_user_id,
        order.invoice_id,
    );
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 3))")
        .bind::<Text, _>(likeness)
        .execute(conn)
        .await?;
    let since = now - TimeDelta::seconds(state.rules.repeat_seconds);
    let found = store::find_repeat(conn, order, since).await?;
    Ok(found.map(|payment| match payment.status {
        Status::Pending => Begun::Running(payment.id),
        _ => Begun::Same(Box::new(payment)),
    }))
}

/// Waits for the first of two equal starts.
async fn first_answer(state: &AppState, id: Uuid) -> Result<Payment, PaymentError> {
    let end = tokio::time::Instant::now() + FIRST_ANSWER;
    while tokio::time::Instant::now() < end {
        let mut conn = state.stack.db.get().await?;
        let payment = store::find_payment(&mut conn, id)
            .await?
            .ok_or(PaymentError::NotFound)?;
        drop(conn);
        match payment.status {
            Status::Pending => tokio::time::sleep(Duration::from_millis(50)).await,
            Status::Failed => return Err(PaymentError::Refused("the first start failed".into())),
            _ => return Ok(payment),
        }
    }
    Err(PaymentError::InFlight)
}

async fn open<R>(
    state: &AppState,
    order: &StartPayment,
    payment: &Payment,
    render: &R,
) -> Result<Stored, PaymentError>
where
    R: Fn(&Payment) -> Value + Send + Sync,
{
    crash_point!("start.before_provider");
    let word = opening::open_somewhere(state, payment).await?;
    crash_point!("start.after_provider");
    let (slug, opened) = match word {
        Ok(opened) => opened,
        Err(error) => return Err(not_opened(state, payment, error).await?),
    };
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let next = next_check(0, true, false, now);
            let Some(payment) =
                transitions::mark_opened(conn, (payment.id, slug), &opened, next, now).await?
            else {
                // Somebody else finished this start; its row is the truth.
                let payment = store::find_payment(conn, payment.id).await?;
                return answer(render, &payment.ok_or(PaymentError::NotFound)?);
            };
            let stored = answer(render, &payment)?;
            if let Some(request) = &order.request {
                let scope = (request.subject.as_str(), request.route);
                idempotency::finish(conn, scope, &request.key, &request.body_hash, &stored).await?;
            }
            crash_point!("start.before_answer_commit");
            Ok(stored)
        })
        .await
}

/// Notes what the provider did not do, and answers the error for the caller.
async fn not_opened(
    state: &AppState,
    payment: &Payment,
    error: ProviderError,
) -> Result<PaymentError, PaymentError> {
    let now = state.now();
    let details = json!({ "step": "open", "error": error.to_string() });
    tracing::warn!(payment = %payment.id, provider = payment.provider, %error, "payment not opened");
    state
        .stack
        .db
        .transaction(async |conn| {
            insert::insert_log(conn, payment.id, "error", details.clone(), now).await?;
            match &error {
                ProviderError::Refused(_) => {
                    settle::end(conn, payment, (Status::Failed, "refused"), None, now).await?;
                }
                ProviderError::Unknown(_) => {
                    transitions::note_check(conn, payment.id, next_check(0, true, true, now))
                        .await?;
                }
            }
            Ok::<_, PaymentError>(())
        })
        .await?;
    state.stack.outbox.wake();
    Ok(match error {
        ProviderError::Refused(reason) => PaymentError::Refused(reason),
        ProviderError::Unknown(reason) => PaymentError::Unanswered(reason),
    })
}

fn answer<R: Fn(&Payment) -> Value>(render: &R, payment: &Payment) -> Result<Stored, PaymentError> {
    Stored::json(actix_web::http::StatusCode::CREATED, &render(payment))
        .map_err(|error| PaymentError::Unexpected(error.into()))
}
