//! Walks the chain and tells what does not fit.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, QueryResult, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    chain::{EntryRow, GENESIS, entries_hash, seal_hash},
    schema::{audit_entries, audit_sealed_entries, audit_seals},
};

/// Seals read at a time.
const PAGE: i64 = 50;

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Damage {
    /// A seal's number is missing.
    MissingSeal {
        /// The number.
        number: i64,
    },
    /// A seal does not continue the one before it, or its own hash is wrong.
    BrokenSeal {
        /// The number.
        number: i64,
    },
    /// An entry under a seal is gone.
    MissingEntry {
        /// The seal.
        seal: i64,
        /// The entry.
        entry: Uuid,
    },
    /// An entry under a seal says something else than when it was sealed.
    ChangedEntries {
        /// The seal; which of its entries cannot be told.
        seal: i64,
    },
    /// The list of covered entries differs from the seals.
    CoverageDiffers {
        /// Entries named by seals.
        sealed: i64,
        /// Entries listed as covered.
        listed: i64,
    },
}

/// What verification found.
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Seals read.
    pub seals: i64,
    /// Entries under seals.
    pub sealed_entries: i64,
    /// Entries that no seal covers yet; more than a few seconds' worth means that no worker runs,
    /// or that the coverage was tampered with.
    pub unsealed_entries: i64,
    /// Hash of the newest seal in hexadecimal, to compare with an anchor kept elsewhere.
    pub head: String,
    /// Everything that does not fit.
    pub damage: Vec<Damage>,
}

impl ChainReport {
    /// True when nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.damage.is_empty()
    }
}

type SealRow = (i64, Vec<Uuid>, Vec<u8>, Vec<u8>, Vec<u8>, DateTime<Utc>);

/// Recomputes every hash from the first seal to the last.
///
/// # Errors
/// When the database does not answer.
pub async fn verify_chain(conn: &mut AsyncPgConnection) -> QueryResult<ChainReport> {
    let mut damage = Vec::new();
    let (mut expected, mut previous, mut seals, mut sealed) =
        (1_i64, GENESIS.to_vec(), 0_i64, 0_i64);
    loop {
        let page: Vec<SealRow> = audit_seals::table
            .filter(audit_seals::number.ge(expected))
            .order(audit_seals::number)
            .limit(PAGE)
            .load(conn)
            .await?;
        if page.is_empty() {
            break;
        }
        let ids: Vec<Uuid> = page
            .iter()
            .flat_map(|seal| seal.1.iter().copied())
            .collect();
        let entries = load_entries(conn, &ids).await?;
        for (number, entry_ids, entries_digest, previous_hash, hash, sealed_at) in page {
            damage.extend((expected..number).map(|number| Damage::MissingSeal { number }));
            let own = seal_hash(
                number,
                &entry_ids,
                &entries_digest,
                &previous_hash,
                sealed_at,
            );
            if previous_hash != previous || own.as_slice() != hash {
                damage.push(Damage::BrokenSeal { number });
            }
            check_entries(number, &entry_ids, &entries_digest, &entries, &mut damage);
            seals += 1;
            sealed += i64::try_from(entry_ids.len()).unwrap_or(0);
            expected = number + 1;
            previous = hash;
        }
    }
    let listed: i64 = audit_sealed_entries::table.count().get_result(conn).await?;
    if listed != sealed {
        damage.push(Damage::CoverageDiffers { sealed, listed });
    }
    let all: i64 = audit_entries::table.count().get_result(conn).await?;
    Ok(ChainReport {
        seals,
        sealed_entries: sealed,
        unsealed_entries: (all - sealed).max(0),
        head: previous.iter().map(|byte| format!("{byte:02x}")).collect(),
        damage,
    })
}

async fn load_entries(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<HashMap<Uuid, EntryRow>> {
    let rows: Vec<EntryRow> = audit_entries::table
        .filter(audit_entries::id.eq_any(ids))
        .select(EntryRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn check_entries(
    seal: i64,
    ids: &[Uuid],
    digest: &[u8],
    entries: &HashMap<Uuid, EntryRow>,
    damage: &mut Vec<Damage>,
) {
    let missing: Vec<_> = ids.iter().filter(|id| !entries.contains_key(id)).collect();
    if missing.is_empty() {
        if entries_hash(ids.iter().filter_map(|id| entries.get(id))).as_slice() != digest {
            damage.push(Damage::ChangedEntries { seal });
        }
    } else {
        damage.extend(missing.into_iter().map(|entry| Damage::MissingEntry {
            seal,
            entry: *entry,
        }));
    }
}
