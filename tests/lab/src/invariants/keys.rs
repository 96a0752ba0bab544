//! INV5: who has paid has keys, and one set of them.

use anyhow::Result;
use tokio_postgres::Client;

use super::Violation;

/// INV5, as decisions.md 20 reads it: at most one set per patient, each paid invoice links to it, a refund removes
/// nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn one_set_per_patient(portal: &Client) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let several = portal
        .query(
            "SELECT patient_id::text, count(*) FROM patient_accesses GROUP BY patient_id HAVING count(*) > 1 \
             ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    for row in several {
        let (patient, sets): (String, i64) = (row.get(0), row.get(1));
        found.push(Violation::new(
            "INV5",
            format!("patient {patient} has {sets} key sets"),
        ));
    }
    let without = portal
        .query(
            "SELECT invoice_number FROM invoices WHERE status = 'paid' AND access_id IS NULL ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    for row in without {
        let number: String = row.get(0);
        found.push(Violation::new(
            "INV5",
            format!("the paid invoice {number} links to no keys"),
        ));
    }
    let foreign = portal
        .query(
            "SELECT i.invoice_number, i.patient_id::text, a.patient_id::text FROM invoices i \
             JOIN patient_accesses a ON a.id = i.access_id \
             WHERE a.patient_id <> i.patient_id OR a.organization_id <> i.organization_id ORDER BY 1 LIMIT 100",
            &[],
        )
        .await?;
    for row in foreign {
        let (number, own, other): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        found.push(Violation::new(
            "INV5",
            format!("invoice {number} of patient {own} links to the keys of {other}"),
        ));
    }
    Ok(found)
}
