//! Message rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::LEASE;
use crate::schema::{message_attempts, message_templates, messages};

/// A new message.
#[derive(Clone, Insertable)]
#[diesel(table_name = messages)]
pub(crate) struct NewMessage {
    pub(crate) id: Uuid,
    pub(crate) owner: String,
    pub(crate) idempotency_key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) channel: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) language: &'static str,
    pub(crate) recipient_masked: String,
    pub(crate) content_sealed: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// A message as stored.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) channel: String,
    pub(crate) purpose: String,
    pub(crate) mode: String,
    pub(crate) recipient_masked: String,
    pub(crate) content_sealed: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) provider_slug: Option<String>,
    pub(crate) provider_message_id: Option<String>,
    pub(crate) cost_amount: Option<i64>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_text: Option<String>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Stores a message, or returns the one with the same owner and key. The flag says whether it is new.
pub(crate) async fn insert_message(
    conn: &mut AsyncPgConnection,
    new: NewMessage,
) -> QueryResult<(MessageRow, bool)> {
    let (owner, key) = (new.owner.clone(), new.idempotency_key.clone());
    let inserted = diesel::insert_into(messages::table)
        .values(new)
        .on_conflict((messages::owner, messages::idempotency_key))
        .do_nothing()
        .returning(MessageRow::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    match inserted {
        Some(row) => Ok((row, true)),
        None => {
            let row = messages::table
                .filter(messages::owner.eq(owner))
                .filter(messages::idempotency_key.eq(key))
                .select(MessageRow::as_select())
                .first(conn)
                .await?;
            Ok((row, false))
        }
    }
}

/// Takes due messages for this process: a lease makes them due again if it dies.
pub(crate) async fn lease_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> QueryResult<Vec<MessageRow>> {
    let due = messages::table
        .filter(messages::due_at.le(now))
        .order(messages::due_at)
        .limit(batch)
        .select(messages::id)
        .for_update()
        .skip_locked()
        .load::<Uuid>(conn)
        .await?;
    diesel::update(messages::table.filter(messages::id.eq_any(due)))
        .set(messages::due_at.eq(Some(now + LEASE)))
        .returning(MessageRow::as_returning())
        .get_results(conn)
        .await
}

/// Marks a leased message as being sent, so that a death in between shows.
pub(crate) async fn update_sending(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::update(messages::table.find(id))
        .set(messages::state.eq("sending"))
        .execute(conn)
        .await
}

/// What a try or an answer changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) state: &'static str,
    pub(crate) provider_slug: Option<String>,
    pub(crate) provider_message_id: Option<String>,
    pub(crate) cost_amount: Option<i64>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_text: Option<String>,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) attempted: bool,
    /// The content is needed no more.
    pub(crate) wipe: bool,
}

impl Change {
    pub(crate) fn to(state: &'static str) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = messages)]
struct Changeset {
    state: &'static str,
    provider_slug: Option<String>,
    provider_message_id: Option<String>,
    cost_amount: Option<i64>,
    #[diesel(treat_none_as_null = true)]
    error_code: Option<String>,
    #[diesel(treat_none_as_null = true)]
    error_text: Option<String>,
    #[diesel(treat_none_as_null = true)]
    due_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    content_sealed: Option<Option<String>>,
    wiped_at: Option<DateTime<Utc>>,
}

/// Applies a change unless the row moved on since `seen_version`; answers the new row.
pub(crate) async fn update_message(
    conn: &mut AsyncPgConnection,
    seen: &MessageRow,
    change: Change,
    now: DateTime<Utc>,
) -> QueryResult<Option<MessageRow>> {
    let finished = matches!(change.state, "delivered" | "failed" | "refused");
    let sent = matches!(change.state, "sent" | "delivered") && seen.sent_at.is_none();
    let set = Changeset {
        state: change.state,
        provider_slug: change.provider_slug,
        provider_message_id: change.provider_message_id,
        cost_amount: change.cost_amount,
        error_code: change.error_code,
        error_text: change.error_text,
        due_at: change.due_at,
        sent_at: sent.then_some(now),
        finished_at: finished.then_some(now),
        content_sealed: change.wipe.then_some(None),
        wiped_at: (change.wipe && seen.content_sealed.is_some()).then_some(now),
    };
    diesel::update(
        messages::table
            .find(seen.id)
            .filter(messages::version.eq(seen.version)),
    )
    .set((
        set,
        messages::version.eq(messages::version + 1),
        messages::attempts.eq(messages::attempts + i32::from(change.attempted)),
    ))
    .returning(MessageRow::as_returning())
    .get_result(conn)
    .await
    .optional()
}

/// One try at one provider.
#[derive(Clone, Insertable)]
#[diesel(table_name = message_attempts)]
pub(crate) struct NewAttempt {
    pub(crate) id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) provider_slug: String,
    pub(crate) outcome: &'static str,
    pub(crate) error_code: Option<String>,
    pub(crate) duration_ms: i32,
    pub(crate) attempted_at: DateTime<Utc>,
}

pub(crate) async fn insert_attempts(
    conn: &mut AsyncPgConnection,
    attempts: &[NewAttempt],
) -> QueryResult<usize> {
    diesel::insert_into(message_attempts::table)
        .values(attempts.to_vec())
        .execute(conn)
        .await
}

/// What a template key is called at a provider; `''` gives the text for providers without templates. The organisation's own
/// entry wins.
pub(crate) async fn list_template_values(
    conn: &mut AsyncPgConnection,
    organization_id: Option<Uuid>,
    key: &str,
) -> QueryResult<Vec<(String, String)>> {
    message_templates::table
        .filter(message_templates::key.eq(key))
        .filter(
            message_templates::organization_id
                .is_null()
                .or(message_templates::organization_id.eq(organization_id)),
        )
        .order(message_templates::organization_id.asc().nulls_last())
        .select((message_templates::provider_slug, message_templates::value))
        .load(conn)
        .await
}

/// A message of an organisation by its id, its number, or the provider's number.
pub(crate) async fn find_message(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    id: &str,
) -> QueryResult<Option<MessageRow>> {
    let mut query = messages::table
        .filter(messages::organization_id.eq(organization_id))
        .filter(messages::channel.eq("sms"))
        .select(MessageRow::as_select())
        .into_boxed();
    query = match (Uuid::parse_str(id), id.parse::<i64>()) {
        (Ok(id), _) => query.filter(messages::id.eq(id)),
        (_, Ok(number)) => query.filter(
            messages::provider_message_id
                .eq(id.to_owned())
                .or(messages::number.eq(number)),
        ),
        _ => return Ok(None),
    };
    query
        .order(messages::created_at.desc())
        .first(conn)
        .await
        .optional()
}
