//! INV1 and INV2: money is neither made nor lost.

use anyhow::Result;
use tokio_postgres::Client;

use super::Violation;

/// INV1.
///
/// # Errors
/// When the database does not answer.
pub async fn sums_to_zero(payments: &Client) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let totals = payments
        .query(
            "SELECT currency, sum(amount)::text FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0 ORDER BY 1",
            &[],
        )
        .await?;
    for row in totals {
        let (currency, sum): (String, String) = (row.get(0), row.get(1));
        found.push(Violation::new(
            "INV1",
            format!("all entries in {currency} sum to {sum}"),
        ));
    }
    let transfers = payments
        .query(
            "SELECT transfer_id::text, currency, sum(amount)::text FROM ledger_entries \
             GROUP BY transfer_id, currency HAVING sum(amount) <> 0 ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    for row in transfers {
        let (id, currency, sum): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        found.push(Violation::new(
            "INV1",
            format!("transfer {id} sums to {sum} {currency}"),
        ));
    }
    let short = payments
        .query(
            "SELECT t.id::text, count(e.id) FROM ledger_transfers t LEFT JOIN ledger_entries e ON e.transfer_id = t.id \
             GROUP BY t.id HAVING count(e.id) < 2 ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    for row in short {
        let (id, entries): (String, i64) = (row.get(0), row.get(1));
        found.push(Violation::new(
            "INV1",
            format!("transfer {id} has {entries} entries"),
        ));
    }
    Ok(found)
}

/// INV2.
///
/// # Errors
/// When the database does not answer.
pub async fn balances(payments: &Client) -> Result<Vec<Violation>> {
    let rows = payments
        .query(
            "SELECT a.id::text, a.code, a.balance, coalesce(sum(e.amount), 0)::text, a.floor \
             FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id \
             GROUP BY a.id \
             HAVING a.balance <> coalesce(sum(e.amount), 0) OR a.balance < a.floor \
                 OR (a.code = 'wallet' AND a.floor IS DISTINCT FROM 0) \
             ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    let describe = |row: tokio_postgres::Row| {
        let (id, code, balance): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        let (sum, floor): (String, Option<i64>) = (row.get(3), row.get(4));
        let floor = floor.map_or_else(|| "none".to_owned(), |floor| floor.to_string());
        Violation::new(
            "INV2",
            format!(
                "{code} {id} has the balance {balance}, its entries sum to {sum}, floor {floor}"
            ),
        )
    };
    Ok(rows.into_iter().map(describe).collect())
}
