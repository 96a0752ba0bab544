//! What must hold, by the ids of the reliability goals.

pub mod delivery;
pub mod keys;
pub mod ledger;

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::databases::Databases;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// `INV1` …
    pub invariant: &'static str,
    /// What was found, with the ids to look at.
    pub found: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, found: impl Into<String>) -> Self {
        Self {
            invariant,
            found: found.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.found)
    }
}

/// The invariants that are checked, with what each says.
pub const CHECKED: [(&str, &str); 4] = [
    (
        "INV1",
        "the ledger's entries sum to zero, as a whole and per transfer; every transfer has two entries or more",
    ),
    (
        "INV2",
        "every stored balance is the sum of its entries, and none lies below its floor",
    ),
    (
        "INV5",
        "every paid invoice links to its patient's one key set, and no patient has two",
    ),
    (
        "INV7",
        "every event is published, and every subscriber has applied it once or shows it as a dead letter",
    ),
];

/// Checks everything. Events must have come to rest: see [`delivery::at_rest`].
///
/// # Errors
/// When a database does not answer; violations are no error.
pub async fn check_all(databases: &Databases) -> Result<Vec<Violation>> {
    let mut found = ledger::sums_to_zero(databases.get("payments")?).await?;
    found.extend(ledger::balances(databases.get("payments")?).await?);
    found.extend(keys::one_set_per_patient(databases.get("portal")?).await?);
    found.extend(delivery::each_once(databases).await?);
    Ok(found)
}
