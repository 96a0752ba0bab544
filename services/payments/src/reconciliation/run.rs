use std::collections::HashSet;

use chrono::{Days, NaiveDate, TimeDelta};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    NewException, ReconciliationError,
    record::{Look, write},
};
use crate::{
    AppState,
    ledger::{
        books::{end_of, start_of},
        invariants,
    },
    payment::{self, Payment, WALLET, asked, find_by_reference, find_payment},
    providers::{PaymentProvider, ProviderError, Report, ReportedState, SettledLine},
    schema::payments,
};

/// How far back our own books are looked at each time; the nightly look covers everything.
const RECENT: TimeDelta = TimeDelta::hours(48);
/// The name under which our own books are looked at.
const BOOKS: &str = "ledger";
/// A provider without a payment for so long is not looked at.
const USED: TimeDelta = TimeDelta::days(7);
/// Payments compared in one step.
const STEP: i64 = 200;
/// After so many questions in a row without an answer a provider is left alone until the next look.
const SILENT: u32 = 3;

/// Looks at payments against the ledger: the recent past, or everything.
///
/// # Errors
/// When the database does not answer.
pub async fn reconcile_books(
    state: &AppState,
    everything: bool,
) -> Result<i64, ReconciliationError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let found = match everything {
        true => invariants::all_differences(&mut conn).await?,
        false => invariants::recent_differences(&mut conn, now - RECENT).await?,
    };
    drop(conn);
    let differences = found.into_iter().map(|difference| NewException {
        organization_id: difference.organization_id,
        provider: BOOKS.to_owned(),
        kind: difference.kind,
        subject: difference.subject,
        payment_id: difference.payment_id,
        currency: difference.currency,
        expected: difference.expected,
        found: difference.found,
    });
    let look = Look {
        differences: differences.collect(),
        ..Look::of("books")
    };
    write(state, BOOKS, now.date_naive(), now, look).await
}

/// Looks at our own books and at what each provider that lists its settlements says of today.
///
/// # Errors
/// When the database does not answer.
pub async fn reconcile_recent(state: &AppState) -> Result<(), ReconciliationError> {
    reconcile_books(state, false).await?;
    let today = state.now().date_naive();
    for slug in used(state).await? {
        let lists = state.providers.get(slug);
        if lists.is_some_and(|provider| provider.settlements().is_some()) {
            reconcile_provider(state, slug, today).await?;
        }
    }
    Ok(())
}

/// The daily look: every provider's yesterday, and all of our books.
///
/// # Errors
/// When the database does not answer.
pub async fn reconcile_yesterday(state: &AppState) -> Result<(), ReconciliationError> {
    let today = state.now().date_naive();
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    for slug in used(state).await? {
        reconcile_provider(state, slug, yesterday).await?;
    }
    reconcile_books(state, true).await?;
    Ok(())
}

/// The providers that had anything to do lately; one without an account is not asked.
pub(super) async fn used(state: &AppState) -> Result<Vec<&'static str>, ReconciliationError> {
    let since = state.now() - USED;
    let mut conn = state.stack.db.get().await?;
    let mut used = Vec::new();
    for slug in state.providers.slugs() {
        let recent = payments::table
            .filter(payments::provider.eq(slug))
            .filter(payments::created_at.ge(since));
        if diesel::select(diesel::dsl::exists(recent))
            .get_result(&mut conn)
            .await?
        {
            used.push(slug);
        }
    }
    Ok(used)
}

/// Compares one provider's day with our payments, by its settlement list or by asking for each
/// payment; answers how many differences there are.
///
/// # Errors
/// When the database does not answer. A provider that does not is written down as such.
pub async fn reconcile_provider(
    state: &AppState,
    slug: &str,
    day: NaiveDate,
) -> Result<i64, ReconciliationError> {
    let started = state.now();
    let provider = state
        .providers
        .get(slug)
        .ok_or_else(|| anyhow::anyhow!("no provider {slug}"))?;
    let look = look_at(state, provider.as_ref(), day).await?;
    write(state, slug, day, started, look).await
}

/// What differs when looked at twice: money that moves between a provider's list and our reading of our own rows is no
/// difference, and would block payouts.
async fn look_at(
    state: &AppState,
    provider: &dyn PaymentProvider,
    day: NaiveDate,
) -> Result<Look, ReconciliationError> {
    let mut look = look_once(state, provider, day).await?;
    if look.differences.is_empty() {
        return Ok(look);
    }
    let again = look_once(state, provider, day).await?;
    // A provider that has fallen silent refutes nothing.
    if again.unanswered.is_none() {
        let same = |one: &NewException| {
            let mut others = again.differences.iter();
            others.any(|other| other.kind == one.kind && other.subject == one.subject)
        };
        look.differences.retain(same);
    }
    Ok(look)
}

async fn look_once(
    state: &AppState,
    provider: &dyn PaymentProvider,
    day: NaiveDate,
) -> Result<Look, ReconciliationError> {
    let mut look = Look::of("status");
    let mut listed = HashSet::new();
    if let Some(lists) = provider.settlements() {
        look.source = "list";
        let lines = match lists.settled_between(start_of(day), end_of(day)).await {
            Ok(lines) => lines,
            Err(error) => {
                look.unanswered = Some(error.to_string());
                return Ok(look);
            }
        };
        for line in &lines {
            look.lines += 1;
            listed.insert(line.reference.clone());
            let found = compare_line(state, provider.slug(), line).await?;
            look.differences.extend(found);
        }
    }
    // A list names what it settled; without one those that ended without money are asked about too.
    let kinds: &[bool] = match look.source {
        "list" => &[true],
        _ => &[true, false],
    };
    let mut silent = 0;
    for with_money in kinds {
        let mut after = None;
        loop {
            let ours = payments_of(state, provider.slug(), day, *with_money, after).await?;
            let Some(last) = ours.last() else { break };
            after = Some(*last);
            for id in ours {
                let mut conn = state.stack.db.get().await?;
                let found = find_payment(&mut conn, id).await?;
                drop(conn);
                let Some(payment) = found else { continue };
                let reference = payment.provider_reference.as_deref().unwrap_or_default();
                if listed.contains(reference) {
                    continue;
                }
                match compare_status(state, provider, payment).await {
                    Ok(found) => {
                        silent = 0;
                        look.lines += 1;
                        look.differences.extend(found);
                    }
                    // What was found so far counts all the same, and one dumb payment hides no others.
                    Err(ReconciliationError::Unanswered(reason)) => {
                        silent += 1;
                        look.unanswered = Some(reason);
                        if silent >= SILENT {
                            return Ok(look);
                        }
                    }
                    Err(other) => return Err(other),
                }
            }
        }
    }
    Ok(look)
}

/// Our payments of that day: those that were settled then, or those that were begun then and hold no
/// money.
async fn payments_of(
    state: &AppState,
    provider: &str,
    day: NaiveDate,
    with_money: bool,
    after: Option<Uuid>,
) -> Result<Vec<Uuid>, ReconciliationError> {
    let of_provider = payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::id.gt(after.unwrap_or_default()))
        .order(payments::id)
        .limit(STEP)
        .select(payments::id)
        .into_boxed();
    let of_day = match with_money {
        true => of_provider
            .filter(payments::completed_at.ge(start_of(day)))
            .filter(payments::completed_at.lt(end_of(day))),
        false => of_provider
            .filter(payments::completed_at.is_null())
            .filter(payments::provider_reference.is_not_null())
            .filter(payments::created_at.ge(start_of(day)))
            .filter(payments::created_at.lt(end_of(day))),
    };
    let mut conn = state.stack.db.get().await?;
    Ok(of_day.load(&mut conn).await?)
}

/// What our refunds say went back by the provider itself.
async fn sent_back(state: &AppState, payment: Uuid) -> Result<i64, ReconciliationError> {
    use crate::schema::refunds;
    let mut conn = state.stack.db.get().await?;
    let amounts: Vec<i64> = refunds::table
        .filter(refunds::payment_id.eq(payment))
        .filter(refunds::method.eq("provider"))
        .filter(refunds::status.eq("succeeded"))
        .select(refunds::amount)
        .load(&mut conn)
        .await?;
    Ok(amounts.into_iter().sum())
}

/// A line of the provider's list against our row.
async fn compare_line(
    state: &AppState,
    provider: &str,
    line: &SettledLine,
) -> Result<Option<NewException>, ReconciliationError> {
    let mut conn = state.stack.db.get().await?;
    let mut found = find_by_reference(&mut conn, provider, &line.reference).await?;
    if found.is_none()
        && let Some(order) = line.order_id.as_deref().and_then(|id| id.parse().ok())
    {
        found = find_payment(&mut conn, order)
            .await?
            .filter(|payment| payment.provider == provider);
    }
    drop(conn);
    let Some(mut payment) = found else {
        return Ok(Some(NewException {
            organization_id: None,
            provider: provider.to_owned(),
            kind: "missing_here".to_owned(),
            subject: format!("{provider}:{}", line.reference),
            payment_id: None,
            currency: Some(line.currency.clone()),
            expected: Some(0),
            found: Some(line.amount),
        }));
    };
    let settled = |payment: &Payment| payment.completed_at.is_some();
    if !settled(&payment) {
        // Not told yet is no difference: ask now, then judge.
        payment = payment::check(state, payment.id).await?;
    }
    let gone = match payment.refunded_amount {
        0 => 0,
        _ => sent_back(state, payment.id).await?,
    };
    let kind = if line.currency != payment.price.currency.code() {
        "currency_differs"
    } else if line.amount != payment.price.amount {
        "amount_differs"
    } else if !settled(&payment) {
        "missing_here"
    } else if line.refunded < gone {
        "refund_missing_there"
    } else {
        return Ok(None);
    };
    let (expected, found) = match kind {
        "refund_missing_there" => (gone, line.refunded),
        "missing_here" => (0, line.amount),
        _ => (payment.price.amount, line.amount),
    };
    Ok(Some(difference(&payment, kind, expected, found)))
}

/// A payment that no list names, against the provider's word.
async fn compare_status(
    state: &AppState,
    provider: &dyn PaymentProvider,
    payment: Payment,
) -> Result<Option<NewException>, ReconciliationError> {
    if payment.completed_at.is_none() {
        payment::check(state, payment.id).await?;
        return Ok(None);
    }
    let word: Report = match provider.status(asked(&payment)).await {
        Ok(word) => word,
        // It knows of no such payment, and says so.
        Err(ProviderError::Refused(_)) => Report::bare(ReportedState::Failed),
        Err(unknown) => return Err(ReconciliationError::Unanswered(unknown.to_string())),
    };
    let price = payment.price;
    let foreign = word
        .currency
        .as_deref()
        .is_some_and(|code| !code.is_empty() && code != price.currency.code());
    Ok(match (word.state, word.amount) {
        (ReportedState::Paid, _) if foreign => Some(difference(
            &payment,
            "currency_differs",
            price.amount,
            word.amount.unwrap_or_default(),
        )),
        (ReportedState::Paid, Some(amount)) if amount != price.amount => {
            Some(difference(&payment, "amount_differs", price.amount, amount))
        }
        (ReportedState::Paid, _) => None,
        _ => Some(difference(&payment, "missing_there", price.amount, 0)),
    })
}

fn difference(payment: &Payment, kind: &str, expected: i64, found: i64) -> NewException {
    NewException {
        organization_id: Some(payment.organization_id),
        provider: payment.provider.clone(),
        kind: kind.to_owned(),
        subject: payment.id.to_string(),
        payment_id: Some(payment.id),
        currency: Some(payment.price.currency.code().to_owned()),
        expected: Some(expected),
        found: Some(found),
    }
}

/// Asks again about one payment; for the person who resolves a difference.
pub(super) async fn look_again(
    state: &AppState,
    payment: Payment,
) -> Result<Option<NewException>, ReconciliationError> {
    if payment.provider == WALLET {
        return Ok(None);
    }
    let payment = match payment.completed_at {
        Some(_) => payment,
        None => payment::check(state, payment.id).await?,
    };
    let provider = state
        .providers
        .get(&payment.provider)
        .ok_or_else(|| anyhow::anyhow!("no provider {}", payment.provider))?;
    if payment.completed_at.is_none() {
        let word = provider
            .status(asked(&payment))
            .await
            .map_err(|error| ReconciliationError::Unanswered(error.to_string()))?;
        return Ok((word.state == ReportedState::Paid)
            .then(|| difference(&payment, "missing_here", 0, word.amount.unwrap_or_default())));
    }
    compare_status(state, provider.as_ref(), payment).await
}
