use chrono::{DateTime, TimeDelta, Utc};
pub use common_types::events::payments::PaymentPurpose as Purpose;
use common_types::{Currency, Money};
use uuid::Uuid;

use crate::{
    ledger::AccountKey,
    providers::{Report, ReportedState},
};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Written down; the provider has not answered yet.
    Pending,
    /// The payer may pay.
    Processing,
    /// Paid and booked.
    Completed,
    /// Ended without money.
    Failed,
    /// Given up by the payer.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// Some of the money went back.
    PartiallyRefunded,
    /// All of the money went back.
    Refunded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Processing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// As it stands on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }

    /// CrazyMiner's words (Y07), and their like for the statuses it did not have.
    pub fn display(self) -> &'static str {
        match self {
            Self::Pending => "در انتظار",
            Self::Processing => "در حال پردازش",
            Self::Completed => "تکمیل شده",
            Self::Failed => "ناموفق",
            Self::Cancelled => "لغو شده",
            Self::Expired => "منقضی شده",
            Self::PartiallyRefunded => "بخشی بازگشت داده شده",
            Self::Refunded => "بازگشت داده شده",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// How far along: a payment never goes to a lower rank, nor sideways.
    pub fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Processing => 1,
            Self::Failed | Self::Cancelled | Self::Expired => 2,
            Self::Completed => 3,
            Self::PartiallyRefunded => 4,
            Self::Refunded => 5,
        }
    }

    /// Whether the payment holds money of the payer.
    pub fn has_money(self) -> bool {
        matches!(self, Self::Completed | Self::PartiallyRefunded)
    }

    /// Whether the payer may still pay.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }
}

/// A payment.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its id, which is also the order at the provider.
    pub id: Uuid,
    /// Its organisation.
    pub organization_id: Uuid,
    /// Who started it.
    pub payer_id: Option<Uuid>,
    /// What for.
    pub purpose: Purpose,
    /// Where it stands.
    pub status: Status,
    /// How much.
    pub price: Money,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// SOAPify's user, when the purpose is one.
    pub soapify_user_id: Option<String>,
    /// In the payer's words.
    pub description: String,
    /// The provider's slug.
    pub provider: String,
    /// The provider's id.
    pub provider_reference: Option<String>,
    /// Numbers that browsers brought back.
    pub hints: Vec<String>,
    /// The bank's tracking number.
    pub tracking_code: Option<String>,
    /// Minor units that went back.
    pub refunded_amount: i64,
    /// Where to pay.
    pub payment_url: Option<String>,
    /// Where the payer is sent afterwards.
    pub return_url: Option<String>,
    /// Grows with each change.
    pub version: i64,
    /// Set when the provider's word contradicts ours and a person must look.
    pub review_reason: Option<String>,
    /// How often the provider was asked in vain.
    pub checks: i32,
    /// When it is given up.
    pub expires_at: DateTime<Utc>,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was settled.
    pub completed_at: Option<DateTime<Utc>>,
}

/// The provider's name of what is paid from a wallet.
pub const WALLET: &str = "wallet";

impl Payment {
    /// Whom the money is for. A doctor's payment for a SOAPify user never reaches the doctor's
    /// wallet (Y02): only a wallet charge does.
    ///
    /// # Errors
    /// When a wallet charge has no payer.
    pub fn beneficiary(&self) -> anyhow::Result<AccountKey> {
        let (organization, currency) = (self.organization_id, self.price.currency);
        Ok(match (self.purpose, self.payer_id) {
            (Purpose::WalletCharge, Some(payer)) => {
                AccountKey::wallet(organization, payer, currency)
            }
            (Purpose::WalletCharge, None) => anyhow::bail!("a wallet charge without payer"),
            (Purpose::Soapify, _) => AccountKey::soapify_payable(organization, currency),
            (Purpose::Invoice, _) => AccountKey::invoice_receipts(organization, currency),
            (Purpose::Service, _) => AccountKey::service_income(organization, currency),
        })
    }
}

/// What follows from the provider's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Book it.
    Settle {
        /// The bank's tracking number.
        tracking_code: Option<String>,
    },
    /// End it without money.
    End(Status),
    /// Nothing new.
    Wait,
    /// The provider's word contradicts our row: nothing is booked, a person must look.
    Review(&'static str),
}

/// Compares the provider's word with our own row. Only amount, currency and order of the row count.
pub fn decide(payment: &Payment, report: &Report, now: DateTime<Utc>) -> Decision {
    match report.state {
        _ if payment.status.has_money() || payment.status == Status::Refunded => Decision::Wait,
        ReportedState::Paid => contradiction(payment, report).map_or_else(
            || Decision::Settle {
                tracking_code: report.tracking_code.clone(),
            },
            Decision::Review,
        ),
        ReportedState::Failed if payment.status.is_open() => Decision::End(Status::Failed),
        ReportedState::Cancelled if payment.status.is_open() => Decision::End(Status::Cancelled),
        ReportedState::Expired if payment.status.is_open() => Decision::End(Status::Expired),
        ReportedState::Pending if payment.status.is_open() && now >= payment.expires_at => {
            Decision::End(Status::Expired)
        }
        _ => Decision::Wait,
    }
}

fn contradiction(payment: &Payment, report: &Report) -> Option<&'static str> {
    let other_order = report
        .order_id
        .as_ref()
        .is_some_and(|order| *order != payment.id.to_string());
    let other_currency = match report.currency.as_deref() {
        None | Some("") => false,
        Some(code) => code != payment.price.currency.code(),
    };
    if other_order {
        Some("order_mismatch")
    } else if other_currency {
        Some("currency_mismatch")
    } else if report.amount != Some(payment.price.amount) {
        Some("amount_mismatch")
    } else {
        None
    }
}

/// When to ask the provider next, after `checks` vain questions; `None` when it is asked no more
/// (a webhook, callback or return still makes us ask).
pub(super) fn next_check(
    checks: i32,
    is_open: bool,
    unanswered: bool,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let checks = usize::try_from(checks).unwrap_or(0);
    let seconds = if unanswered {
        // At most five minutes: an unknown outcome is settled soon after the fault ends (Q-M7).
        [5, 10, 30, 60, 120, 300][checks.min(5)]
    } else if is_open {
        [15, 30, 60, 120, 300, 600][checks.min(5)]
    } else {
        // Money may still arrive for a payment that was given up.
        *[1_800, 7_200, 43_200, 86_400].get(checks)?
    };
    Some(now + TimeDelta::seconds(seconds))
}

/// The currency stored for that code.
pub(super) fn currency(code: &str) -> Currency {
    code.parse().unwrap_or(Currency::Irr)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn payment(status: Status) -> Payment {
        let now = DateTime::UNIX_EPOCH;
        Payment {
            id: Uuid::from_u128(7),
            organization_id: Uuid::from_u128(1),
            payer_id: None,
            purpose: Purpose::WalletCharge,
            status,
            price: Money::new(100_000, Currency::Irr),
            invoice_id: None,
            soapify_user_id: None,
            description: String::new(),
            provider: "sandbox".into(),
            provider_reference: Some("p".into()),
            hints: Vec::new(),
            tracking_code: None,
            refunded_amount: 0,
            payment_url: None,
            return_url: None,
            version: 1,
            review_reason: None,
            checks: 0,
            expires_at: now + TimeDelta::minutes(30),
            created_at: now,
            updated_at: now,
            completed_at: None,
        }
    }

    fn report(state: ReportedState) -> Report {
        Report {
            state,
            amount: Some(100_000),
            currency: Some("IRR".into()),
            order_id: Some(Uuid::from_u128(7).to_string()),
            tracking_code: Some("t".into()),
        }
    }

    #[test]
    fn q_m3_only_our_own_amount_currency_and_order_settle() {
        let now = DateTime::UNIX_EPOCH;
        let open = payment(Status::Processing);
        let paid = report(ReportedState::Paid);
        let settle = Decision::Settle {
            tracking_code: Some("t".into()),
        };
        assert_eq!(decide(&open, &paid, now), settle);
        let review = |change: fn(&mut Report)| {
            let mut lie = paid.clone();
            change(&mut lie);
            decide(&open, &lie, now)
        };
        assert_eq!(
            review(|r| r.amount = Some(99_999)),
            Decision::Review("amount_mismatch")
        );
        assert_eq!(
            review(|r| r.amount = None),
            Decision::Review("amount_mismatch")
        );
        assert_eq!(
            review(|r| r.currency = Some("IRT".into())),
            Decision::Review("currency_mismatch")
        );
        assert_eq!(
            review(|r| r.order_id = Some("other".into())),
            Decision::Review("order_mismatch")
        );
    }

    #[test]
    fn q_m3_money_counts_after_the_payment_was_given_up() {
        let now = DateTime::UNIX_EPOCH;
        for status in [Status::Failed, Status::Cancelled, Status::Expired] {
            let decision = decide(&payment(status), &report(ReportedState::Paid), now);
            assert!(matches!(decision, Decision::Settle { .. }), "{status:?}");
            assert_eq!(
                decide(&payment(status), &report(ReportedState::Failed), now),
                Decision::Wait
            );
        }
    }

    #[test]
    fn an_unpaid_payment_expires_only_on_the_providers_word() {
        let open = payment(Status::Processing);
        let pending = report(ReportedState::Pending);
        assert_eq!(decide(&open, &pending, open.created_at), Decision::Wait);
        assert_eq!(
            decide(&open, &pending, open.expires_at),
            Decision::End(Status::Expired)
        );
    }

    #[test]
    fn questions_grow_rarer() {
        let now = DateTime::UNIX_EPOCH;
        let after = |checks, open, unanswered| {
            next_check(checks, open, unanswered, now).map(|at| (at - now).num_seconds())
        };
        assert_eq!(after(0, true, false), Some(15));
        assert_eq!(after(99, true, false), Some(600));
        assert_eq!(after(99, true, true), Some(300));
        assert_eq!(after(0, false, false), Some(1_800));
        assert_eq!(after(4, false, false), None);
    }

    proptest! {
        #[test]
        fn statuses_never_go_back(status in 0_usize..8, state in 0_usize..5, amount in any::<i64>(), hours in 0_i64..48) {
            let status = Status::ALL[status];
            let state = [ReportedState::Pending, ReportedState::Paid, ReportedState::Failed, ReportedState::Cancelled, ReportedState::Expired][state];
            let payment = payment(status);
            let mut word = report(state);
            word.amount = Some(amount);
            let next = match decide(&payment, &word, payment.created_at + TimeDelta::hours(hours)) {
                Decision::Settle { .. } => { prop_assert_eq!(amount, payment.price.amount); Status::Completed }
                Decision::End(end) => end,
                Decision::Wait | Decision::Review(_) => return Ok(()),
            };
            prop_assert!(next.rank() > status.rank());
        }
    }
}
