use chrono::{DateTime, Utc};
use common_types::Currency;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use uuid::Uuid;

use super::{
    Exception, ReconciliationError, run,
    store::{self, Reach},
};
use crate::{
    AppState,
    ledger::{self, AccountKey, Leg, Posting, TransferKind},
    payment::{Origin, find_payment},
};

/// What a person does about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing is booked: the difference has another explanation, or was mended elsewhere.
    Accept,
    /// What was found at the provider beyond (or below) what we expected is booked against
    /// `differences`.
    Adjust,
    /// The provider is asked again; resolved only when nothing differs any more.
    Recheck,
}

impl Action {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "accept" => Some(Self::Accept),
            "adjust" => Some(Self::Adjust),
            "recheck" => Some(Self::Recheck),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Adjust => "adjust",
            Self::Recheck => "recheck",
        }
    }
}

/// Resolves a difference with a reason, once.
pub(super) async fn resolve(
    state: &AppState,
    (reach, organization, id): (Reach, Uuid, Uuid),
    (action, reason, by): (Action, &str, Uuid),
    origin: &Origin,
) -> Result<Exception, ReconciliationError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let found = store::find_exception(&mut conn, reach, id)
        .await?
        .ok_or(ReconciliationError::NotFound)?;
    drop(conn);
    if found.status != "open" {
        return Err(ReconciliationError::Resolved);
    }
    if action == Action::Recheck {
        recheck(state, &found).await?;
    }
    let resolved = state
        .stack
        .db
        .transaction(async |conn| {
            let words = (action.as_str(), reason, Some(by));
            let resolved = store::mark_resolved(conn, id, words, now)
                .await?
                .ok_or(ReconciliationError::Resolved)?;
            if action == Action::Adjust {
                let owner = resolved.organization_id.unwrap_or(organization);
                let posting = adjustment(&resolved, owner, reason)?;
                ledger::post(conn, &posting, now).await?;
            }
            service_audit::record(conn, audit(&resolved, organization, by, origin, now)).await?;
            Ok::<_, ReconciliationError>(resolved)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(resolved)
}

async fn recheck(state: &AppState, found: &Exception) -> Result<(), ReconciliationError> {
    let Some(id) = found.payment_id else {
        return Err(ReconciliationError::NotPossible("recheck"));
    };
    let mut conn = state.stack.db.get().await?;
    let payment = find_payment(&mut conn, id)
        .await?
        .ok_or(ReconciliationError::NotFound)?;
    let since = payment.created_at;
    let ours = ledger::invariants::recent_differences(&mut conn, since).await?;
    drop(conn);
    let still = ours
        .iter()
        .any(|difference| difference.payment_id == Some(id));
    if still || run::look_again(state, payment).await?.is_some() {
        return Err(ReconciliationError::StillThere);
    }
    Ok(())
}

/// What the provider holds beyond our books: clearing against `differences`.
fn adjustment(
    exception: &Exception,
    organization_id: Uuid,
    reason: &str,
) -> Result<Posting, ReconciliationError> {
    let impossible = || ReconciliationError::NotPossible("adjust");
    let currency: Currency = exception
        .currency
        .as_deref()
        .and_then(|code| code.parse().ok())
        .filter(|currency| *currency != Currency::Irt)
        .ok_or_else(impossible)?;
    let (expected, found) = exception
        .expected
        .zip(exception.found)
        .ok_or_else(impossible)?;
    let amount = found.checked_sub(expected).ok_or_else(impossible)?;
    if amount == 0 || exception.provider == "ledger" {
        return Err(impossible());
    }
    let clearing = AccountKey::clearing(organization_id, &exception.provider, currency);
    let differences = AccountKey::differences(organization_id, currency);
    Ok(Posting {
        organization_id,
        kind: TransferKind::Adjustment,
        reference: exception.id.to_string(),
        description: reason.to_owned(),
        legs: Leg::pair(clearing, differences, amount),
    })
}

fn audit(
    exception: &Exception,
    organization: Uuid,
    by: Uuid,
    origin: &Origin,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry::new(
        by.to_string(),
        ActorKind::User,
        "reconciliation.resolved",
        now,
    )
    .subject("reconciliation_exception", exception.id)
    .organization(Some(organization))
    .origin(Some(origin.ip), origin.request_id.clone())
    .details(json!({
        "kind": exception.kind,
        "action": exception.action,
        "reason": exception.reason,
        "payment_id": exception.payment_id,
    }))
}
