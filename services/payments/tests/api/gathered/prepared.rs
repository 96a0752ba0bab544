//! What one payment says to the database is said in the same words as of many, and still stays prepared (decision 0008).

use payments::{AppState, wallet};
use service_db::Db;

use super::lost::{asked, shown};
use crate::{refunds::paid_charge, support::Clinic};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payment_alone_says_stays_prepared() {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Said {
        #[diesel(sql_type = diesel::sql_types::Text)]
        statement: String,
    }
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let mut settings = clinic.service.database.settings();
    settings.max_connections = 1;
    let mut state: AppState = clinic.service.state.clone();
    state.stack.db = Db::connect(&settings).await.unwrap();
    for number in 0..3 {
        wallet::pay(&state, asked(&clinic, number), shown)
            .await
            .unwrap();
    }
    let mut conn = state.stack.db.get().await.unwrap();
    let said: Vec<Said> = diesel::sql_query("SELECT statement FROM pg_prepared_statements")
        .load(&mut conn)
        .await
        .unwrap();
    // An UPDATE, and an INSERT that may update, is not among them: diesel prepares each anew.
    for begins in [
        "SELECT pg_try_advisory_xact_lock(",
        "SELECT \"idempotency_keys\"",
        "INSERT INTO \"payments\"",
        "INSERT INTO \"audit_entries\"",
        "INSERT INTO \"payment_logs\"",
        "INSERT INTO \"outbox_events\"",
        "SELECT \"ledger_accounts\"",
        "INSERT INTO \"ledger_transfers\"",
        "INSERT INTO \"ledger_entries\"",
    ] {
        let kept = said
            .iter()
            .filter(|said| said.statement.starts_with(begins));
        assert_eq!(kept.count(), 1, "{begins}");
    }
    clinic.books_are_right().await;
}
