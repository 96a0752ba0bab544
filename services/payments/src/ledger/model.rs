use common_types::Currency;
use uuid::Uuid;

/// Which account: one per organisation, code, owner and currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountKey {
    /// The organisation whose book it stands in.
    pub organization_id: Uuid,
    /// What it is, such as `wallet` or `clearing:sandbox`.
    pub code: String,
    /// The person it belongs to, for wallets.
    pub owner_id: Option<Uuid>,
    /// Its currency.
    pub currency: Currency,
}

/// The code of a person's wallet.
pub(super) const WALLET: &str = "wallet";

impl AccountKey {
    fn of(organization_id: Uuid, code: impl Into<String>, currency: Currency) -> Self {
        Self {
            organization_id,
            code: code.into(),
            owner_id: None,
            currency,
        }
    }

    /// Whose wallet this is, when it is one.
    pub(super) fn wallet_owner(&self) -> Option<Uuid> {
        self.owner_id.filter(|_| self.code == WALLET)
    }

    /// A person's wallet; never below zero.
    pub fn wallet(organization_id: Uuid, owner: Uuid, currency: Currency) -> Self {
        Self {
            owner_id: Some(owner),
            ..Self::of(organization_id, WALLET, currency)
        }
    }

    /// Money that a payment provider took and owes the clinic.
    pub fn clearing(organization_id: Uuid, provider: &str, currency: Currency) -> Self {
        Self::of(organization_id, format!("clearing:{provider}"), currency)
    }

    /// Money received for invoices.
    pub fn invoice_receipts(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "invoice_receipts", currency)
    }

    /// Money due to SOAPify for its users (Y02); kept apart from everything else.
    pub fn soapify_payable(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "soapify_payable", currency)
    }

    /// Money received for services of the platform.
    pub fn service_income(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "service_income", currency)
    }

    /// Money taken at the desk, by method (`cash`, `card` …).
    pub fn till(organization_id: Uuid, method: &str, currency: Currency) -> Self {
        let method: String = method
            .chars()
            .filter(|letter| letter.is_ascii_lowercase() || *letter == '_')
            .take(32)
            .collect();
        Self::of(organization_id, format!("till:{method}"), currency)
    }

    /// Money taken out of an account to go back to a payer, until it has gone.
    pub fn refunds_in_transit(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "refunds_in_transit", currency)
    }

    /// The clinic's bank account, into which providers pay out.
    pub fn bank(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "bank", currency)
    }

    /// Differences that a person accepted in the reconciliation.
    pub fn differences(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "differences", currency)
    }

    /// Where opening balances come from.
    pub fn opening(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "opening_balance", currency)
    }

    /// The balance below which this account may not fall.
    pub fn floor(&self) -> Option<i64> {
        (self.code == WALLET).then_some(0)
    }

    /// In which of its account's rows a transfer of that reference is booked. Accounts that every
    /// settlement of an organisation touches have [`SHARDS`] rows, so that settlements do not queue
    /// at one row lock; all others have one.
    pub fn shard(&self, reference: &str) -> i16 {
        let busy = self.code.starts_with("clearing:")
            || matches!(
                self.code.as_str(),
                "invoice_receipts" | "soapify_payable" | "service_income" | "refunds_in_transit"
            );
        if !busy {
            return 0;
        }
        // FNV-1a: the same in every process and release.
        let hash = reference.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        i16::try_from(hash % u32::from(SHARDS)).unwrap_or(0)
    }
}

/// Rows of a busy account.
pub const SHARDS: u16 = 8;

/// What an account is in the chart of accounts (README).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountClass {
    /// Others owe it to the clinic, or the clinic holds it.
    Asset,
    /// The clinic owes it.
    Liability,
    /// The clinic earned it.
    Income,
    /// Neither: opening balances and accepted differences.
    Equity,
}

impl AccountClass {
    /// The class of an account's code.
    pub fn of(code: &str) -> Self {
        match code {
            "wallet" | "soapify_payable" | "refunds_in_transit" => Self::Liability,
            "invoice_receipts" | "service_income" => Self::Income,
            "opening_balance" | "differences" => Self::Equity,
            _ => Self::Asset,
        }
    }

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Income => "income",
            Self::Equity => "equity",
        }
    }
}

/// Why money moved; with the reference it is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// A provider confirmed a payment; reference: the payment.
    Settlement,
    /// A wallet paid for something; reference: the caller's.
    WalletSpend,
    /// Portal recorded a payment at the desk; reference: recorded payment and version.
    RecordedPayment,
    /// An earlier transfer taken back; reference: that transfer.
    Reversal,
    /// The first balance of an account; reference: the account.
    Opening,
    /// Money set aside for a refund; reference: the refund.
    RefundHold,
    /// Money that went back; reference: the refund.
    Refund,
    /// A provider paid out to the bank; reference: the payout.
    Payout,
    /// A person settled a difference; reference: the exception.
    Adjustment,
}

impl TransferKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settlement => "settlement",
            Self::WalletSpend => "wallet_spend",
            Self::RecordedPayment => "recorded_payment",
            Self::Reversal => "reversal",
            Self::Opening => "opening",
            Self::RefundHold => "refund_hold",
            Self::Refund => "refund",
            Self::Payout => "payout",
            Self::Adjustment => "adjustment",
        }
    }
}

/// One side of a transfer.
#[derive(Debug, Clone)]
pub struct Leg {
    /// The account.
    pub account: AccountKey,
    /// Minor units; positive raises the balance.
    pub amount: i64,
}

impl Leg {
    /// Takes `amount` from one account and gives it to another.
    pub fn pair(from: AccountKey, to: AccountKey, amount: i64) -> Vec<Self> {
        vec![
            Self {
                account: from,
                amount: amount.saturating_neg(),
            },
            Self {
                account: to,
                amount,
            },
        ]
    }
}
