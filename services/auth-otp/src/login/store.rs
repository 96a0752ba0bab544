//! Who comes in by a code: one statement for the usual login (migration `logins_in_one_statement`), one within a transaction
//! for the others (`logins_in_few_statements`).

use chrono::{DateTime, Utc};
use common_types::{Language, PhoneNumber};
use diesel::IntoSql;
use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{
    Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::CodeLogin;
use crate::call::call;
use crate::session::Draft;
use crate::user::store::{StandingRow, UserRow};
use crate::user::{Standing, User};

/// The columns of [`UserRow`] in its order.
macro_rules! person {
    () => {
        "(person).id, (person).number, (person).phone, (person).username, (person).password_hash, (person).email, \
         (person).full_name, (person).first_name, (person).last_name, (person).department, (person).language, \
         (person).is_active, (person).is_superuser, (person).password_failures, (person).password_failed_at, \
         (person).version, (person).last_login_at, (person).created_at, (person).tokens_not_before, (person).managed_by"
    };
}

const ADMIT_BY_CODE: &str = concat!(
    "SELECT outcome, has_factor, standings, ",
    person!(),
    " FROM admit_by_code"
);
const LOG_IN_BY_CODE: &str = concat!(
    "SELECT outcome, standings, session_place, ",
    person!(),
    " FROM log_in_by_code"
);

/// Somebody whose code was right and is used now.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) user: User,
    /// Made by this login.
    pub(super) registered: bool,
    pub(super) has_factor: bool,
    pub(super) standings: Vec<Standing>,
}

/// Uses a code and finds or makes its person; `None` when the code was used already. Of a closed account only `user` counts.
pub(super) async fn admit_by_code(
    conn: &mut AsyncPgConnection,
    code: Uuid,
    phone: &PhoneNumber,
    group: i32,
    language: Language,
    now: DateTime<Utc>,
) -> QueryResult<Option<Admitted>> {
    type Row = (Text, Bool, Jsonb, SqlTypeOf<AsSelect<UserRow, Pg>>);
    let admitted: Option<(String, bool, serde_json::Value, UserRow)> = call::<Row, _>(
        ADMIT_BY_CODE,
        (
            code.into_sql::<SqlUuid>(),
            phone.e164().into_sql::<Text>(),
            group.into_sql::<Integer>(),
            Uuid::now_v7().into_sql::<SqlUuid>(),
            language.as_str().into_sql::<Text>(),
            now.into_sql::<Timestamptz>(),
        ),
    )
    .get_result(conn)
    .await
    .optional()?;
    let Some((outcome, has_factor, standings, user)) = admitted else {
        return Ok(None);
    };
    Ok(Some(Admitted {
        user: user.into(),
        registered: outcome == "registered",
        has_factor,
        standings: read_standings(standings)?,
    }))
}

fn read_standings(standings: serde_json::Value) -> QueryResult<Vec<Standing>> {
    let rows: Vec<StandingRow> = serde_json::from_value(standings)
        .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
    Ok(rows.into_iter().map(Standing::from).collect())
}

/// Somebody whom one statement let in.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) user: User,
    /// Made by this login.
    pub(super) registered: bool,
    /// Where the session works.
    pub(super) standing: Option<Standing>,
}

/// Uses a code, finds or makes its person and stores session, device, audit row and event, all in one commit;
/// `None` when this is no usual login, and then nothing was written.
pub(super) async fn log_in_by_code(
    conn: &mut AsyncPgConnection,
    code: Uuid,
    login: &CodeLogin<'_>,
    draft: &Draft,
    now: DateTime<Utc>,
) -> QueryResult<Option<Entrant>> {
    type Row = (
        Text,
        Jsonb,
        Nullable<SqlUuid>,
        SqlTypeOf<AsSelect<UserRow, Pg>>,
    );
    let answer: Option<(String, serde_json::Value, Option<Uuid>, UserRow)> = call::<Row, _>(
        LOG_IN_BY_CODE,
        (
            code.into_sql::<SqlUuid>(),
            login.purpose.into_sql::<Text>(),
            login.phone.e164().into_sql::<Text>(),
            login.group.into_sql::<Integer>(),
            Uuid::now_v7().into_sql::<SqlUuid>(),
            login.language.as_str().into_sql::<Text>(),
            now.into_sql::<Timestamptz>(),
            login.workshop.into_sql::<Bool>(),
            draft.id.into_sql::<SqlUuid>(),
            login.kind.as_str().into_sql::<Text>(),
            draft.token_hash.as_slice().into_sql::<Binary>(),
            login.origin.user_agent.as_str().into_sql::<Text>(),
            draft.ip_address.as_str().into_sql::<Text>(),
            draft.seen.device.as_str().into_sql::<Text>(),
            draft.seen.browser.as_str().into_sql::<Text>(),
            draft.expires_at.into_sql::<Timestamptz>(),
            login.carrier.as_str().into_sql::<Text>(),
            draft.seen.fingerprint.as_slice().into_sql::<Binary>(),
            Uuid::now_v7().into_sql::<SqlUuid>(),
            service_telemetry::current_traceparent().into_sql::<Nullable<Text>>(),
            Uuid::now_v7().into_sql::<SqlUuid>(),
            service_telemetry::current_request_id().into_sql::<Nullable<Text>>(),
        ),
    )
    .get_result(conn)
    .await
    .optional()?;
    let Some((outcome, standings, place, user)) = answer else {
        return Ok(None);
    };
    let mut standings = read_standings(standings)?.into_iter();
    Ok(Some(Entrant {
        user: user.into(),
        registered: outcome == "registered",
        standing: standings.find(|standing| Some(standing.organization_id) == place),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::users;

    #[test]
    fn the_statement_names_the_columns_of_a_user_in_their_order() {
        let select = users::table.select(UserRow::as_select());
        let text = diesel::debug_query::<Pg, _>(&select).to_string();
        let columns = text
            .split(" FROM ")
            .next()
            .unwrap()
            .trim_start_matches("SELECT ");
        let columns = columns
            .replace("\"users\".\"", "(person).")
            .replace('"', "");
        assert_eq!(person!(), columns);
    }
}
