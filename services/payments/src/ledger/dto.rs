//! What the accountants' routes take and answer.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    AccountClass,
    books::{BookAccount, BookLine},
};

/// An account with what stands in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountResponse {
    /// Its code in the chart of accounts, such as `wallet` or `clearing:zarinpal`.
    pub code: String,
    /// `asset`, `liability`, `income`, `equity`.
    pub class: &'static str,
    /// Whose wallet, for wallets.
    pub owner_id: Option<Uuid>,
    /// ISO code.
    pub currency: String,
    /// Minor units; what the clinic owes or earned is positive, what it is owed negative.
    pub balance: i64,
    /// Entries so far.
    pub entries: i64,
}

impl From<BookAccount> for AccountResponse {
    fn from(account: BookAccount) -> Self {
        Self {
            class: AccountClass::of(&account.code).as_str(),
            code: account.code,
            owner_id: account.owner_id,
            currency: account.currency,
            balance: account.balance,
            entries: account.entries,
        }
    }
}

/// One line of the trial balance.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialLine {
    /// The account's code.
    pub code: String,
    /// `asset`, `liability`, `income`, `equity`.
    pub class: &'static str,
    /// Minor units on the debit side.
    pub debit: i64,
    /// Minor units on the credit side.
    pub credit: i64,
}

/// The trial balance of one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBalance {
    /// ISO code.
    pub currency: String,
    /// The accounts that were ever used.
    pub accounts: Vec<TrialLine>,
    /// Sum of the debit side.
    pub total_debit: i64,
    /// Sum of the credit side; equal to the other when the books are right.
    pub total_credit: i64,
    /// Whether both sums are equal.
    pub balanced: bool,
}

/// The trial balance at the end of a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBalanceResponse {
    /// The day (UTC).
    pub day: NaiveDate,
    /// One per currency.
    pub currencies: Vec<TrialBalance>,
}

/// A line of a statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementLine {
    /// The entry.
    pub id: Uuid,
    /// Its transfer.
    pub transfer_id: Uuid,
    /// `settlement`, `wallet_spend`, `recorded_payment`, `refund_hold`, `refund`, `payout`, `adjustment`, `reversal`, `opening`.
    pub kind: String,
    /// What it refers to, such as a payment's id.
    pub reference: String,
    /// In words.
    pub description: String,
    /// Minor units; positive raised the balance.
    pub amount: i64,
    /// Minor units in the account after it.
    pub balance_after: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<BookLine> for StatementLine {
    fn from(line: BookLine) -> Self {
        Self {
            id: line.id,
            transfer_id: line.transfer_id,
            kind: line.kind,
            reference: line.reference,
            description: line.description,
            amount: line.amount,
            balance_after: line.balance_after,
            created_at: line.created_at,
        }
    }
}

/// A statement: a page of lines between an opening and a closing balance.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementResponse {
    /// The account's code.
    pub code: String,
    /// ISO code.
    pub currency: String,
    /// First day (UTC).
    pub from: NaiveDate,
    /// Last day (UTC).
    pub to: NaiveDate,
    /// Minor units before the first line of the period.
    pub opening_balance: i64,
    /// Minor units after its last line.
    pub closing_balance: i64,
    /// Lines in the period.
    pub count: i64,
    /// Absolute URL of the next page.
    pub next: Option<String>,
    /// Absolute URL of the page before.
    pub previous: Option<String>,
    /// The lines of this page, oldest first.
    pub results: Vec<StatementLine>,
}

/// `GET /api/v1/ledger/accounts/`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountsQuery {
    pub(crate) currency: Option<String>,
    #[serde(default)]
    pub(crate) wallets: bool,
}

/// `GET /api/v1/ledger/statement/`.
#[derive(Debug, Deserialize)]
pub(crate) struct StatementQuery {
    pub(crate) account: String,
    pub(crate) currency: String,
    pub(crate) owner_id: Option<Uuid>,
    pub(crate) from: Option<NaiveDate>,
    pub(crate) to: Option<NaiveDate>,
}

/// `GET /api/v1/ledger/trial-balance/`.
#[derive(Debug, Deserialize)]
pub(crate) struct TrialQuery {
    pub(crate) day: Option<NaiveDate>,
}
