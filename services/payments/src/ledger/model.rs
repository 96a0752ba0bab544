use common_types::Currency;
use uuid::Uuid;

/// Which account: one per organisation, code, owner and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl AccountKey {
    fn of(organization_id: Uuid, code: impl Into<String>, currency: Currency) -> Self {
        Self {
            organization_id,
            code: code.into(),
            owner_id: None,
            currency,
        }
    }

    /// A person's wallet; never below zero.
    pub fn wallet(organization_id: Uuid, owner: Uuid, currency: Currency) -> Self {
        Self {
            owner_id: Some(owner),
            ..Self::of(organization_id, "wallet", currency)
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

    /// Where opening balances come from.
    pub fn opening(organization_id: Uuid, currency: Currency) -> Self {
        Self::of(organization_id, "opening_balance", currency)
    }

    /// The balance below which this account may not fall.
    pub fn floor(&self) -> Option<i64> {
        (self.code == "wallet").then_some(0)
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
