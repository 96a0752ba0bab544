//! Sample data: the demo doctor's wallet.

use common_types::Currency;
use uuid::{Uuid, uuid};

use crate::{
    AppState,
    ledger::{self, AccountKey, LedgerError, Leg, Posting, TransferKind},
};

/// The demo clinic.
const ORGANIZATION: Uuid = uuid!("01900000-0000-7000-8000-000000000001");
/// The demo doctor, 09120000001.
const DOCTOR: Uuid = uuid!("01900000-0000-7000-8000-000000000102");
/// What the demo doctor's wallet begins with, in rial.
const OPENING: i64 = 2_000_000;

/// Puts the named sample data in, any number of times with the same result.
pub(crate) async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(name == "demo", "payments has no seed named {name:?}");
    let wallet = AccountKey::wallet(ORGANIZATION, DOCTOR, Currency::Irr);
    let posting = Posting {
        organization_id: ORGANIZATION,
        kind: TransferKind::Opening,
        reference: format!("wallet:{ORGANIZATION}:{DOCTOR}"),
        description: "موجودی اولیه".to_owned(),
        legs: Leg::pair(
            AccountKey::opening(ORGANIZATION, Currency::Irr),
            wallet,
            OPENING,
        ),
    };
    let now = state.now();
    let booked = state.stack.db.transaction(async |conn| {
        ledger::post(conn, &posting, now)
            .await
            .map_err(SeedError::from)
    });
    match booked.await {
        Ok(_) | Err(SeedError::Ledger(LedgerError::AlreadyBooked)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Db(#[from] service_db::DbError),
}

impl From<diesel::result::Error> for SeedError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Ledger(error.into())
    }
}
