//! What stands in the database, and whether it is right.

use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use payments::ledger::invariants::{self, Difference};
use uuid::Uuid;

use super::Clinic;

impl Clinic {
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let mut conn = self.db().get().await.unwrap();
        let row: Number = diesel::sql_query(format!("SELECT ({sql})::bigint AS number"))
            .get_result(&mut conn)
            .await
            .unwrap();
        row.number
    }

    pub(crate) async fn balance(&self, code: &str) -> i64 {
        let sql = format!(
            "SELECT coalesce(sum(balance), 0) FROM ledger_accounts WHERE code = '{code}' \
             AND organization_id = '{}'",
            self.organization
        );
        self.number(&sql).await
    }

    /// Actor, subjects and address of the audit rows of one action.
    pub(crate) async fn audit_rows(
        &self,
        action: &str,
    ) -> Vec<(String, Vec<String>, Option<String>)> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            actor: String,
            #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Text>)]
            subject_ids: Vec<String>,
            #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
            ip: Option<String>,
        }
        let mut conn = self.db().get().await.unwrap();
        diesel::sql_query("SELECT actor, subject_ids, ip FROM audit_entries WHERE action = $1")
            .bind::<diesel::sql_types::Text, _>(action)
            .load::<Row>(&mut conn)
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.actor, row.subject_ids, row.ip))
            .collect()
    }

    /// The texts of one column named `line`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Line {
            #[diesel(sql_type = diesel::sql_types::Text)]
            line: String,
        }
        let sql = match sql.strip_prefix("EXPLAIN ") {
            Some(_) => {
                let client = self.service.database.owner().await;
                let mut conn = client.get().await.unwrap();
                #[derive(diesel::QueryableByName)]
                struct Plan {
                    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
                    line: String,
                }
                let plan: Vec<Plan> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
                return plan.into_iter().map(|row| row.line).collect();
            }
            None => sql,
        };
        let mut conn = self.db().get().await.unwrap();
        let rows: Vec<Line> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
        rows.into_iter().map(|row| row.line).collect()
    }

    /// One text.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let sql = format!("SELECT ({sql}) AS line");
        self.rows(&sql).await.remove(0)
    }

    /// One statement as the service's own role; the database's words when it refuses.
    pub(crate) async fn try_sql(&self, sql: &str) -> Result<(), String> {
        use diesel_async::SimpleAsyncConnection;
        let mut conn = self.db().get().await.unwrap();
        let done = conn.batch_execute(sql).await;
        if done.is_err() {
            conn.batch_execute("ROLLBACK").await.unwrap();
        }
        done.map_err(|error| match service_db::violated(&error) {
            Some(constraint) => constraint.to_owned(),
            None => error.to_string(),
        })
    }

    /// The same as the database's owner, who may break what the service's role may not.
    pub(crate) async fn as_owner(&self, sql: &str) {
        use diesel_async::SimpleAsyncConnection;
        let owner = self.service.database.owner().await;
        let mut conn = owner.get().await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    }

    /// INV1, INV2, INV4 and INV7: everything that must hold between payments, ledger and outbox; call
    /// it at the end of every test that moved money.
    pub(crate) async fn books_are_right(&self) {
        assert_eq!(self.differences().await, []);
    }

    /// What the checker finds wrong.
    pub(crate) async fn differences(&self) -> Vec<Difference> {
        let mut conn = self.db().get().await.unwrap();
        let mut found = invariants::all_differences(&mut conn).await.unwrap();
        found.extend(invariants::untold_settlements(&mut conn).await.unwrap());
        found
    }

    /// INV3: a hash over what the ledger held at that moment.
    pub(crate) async fn fingerprint(&self, until: Uuid) -> String {
        let mut conn = self.db().get().await.unwrap();
        invariants::fingerprint(&mut conn, until).await.unwrap()
    }

    pub(crate) async fn now_and_fingerprint(&self) -> (Uuid, String) {
        let now = Uuid::now_v7();
        (now, self.fingerprint(now).await)
    }

    /// Makes the question about a payment or refund due, as the passing of time would.
    pub(crate) async fn due(&self, table: &str, id: &str) {
        let sql = format!(
            "UPDATE {table} SET next_check_at = now() - interval '1 minute' WHERE id = '{id}' \
             AND status IN ('pending', 'processing')"
        );
        self.try_sql(&sql).await.unwrap();
    }
}
