//! Message rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::LEASE;
pub(crate) use super::tries::{AttemptRow, NewAttempt, insert_attempts, list_attempts};
use crate::schema::{message_templates, messages};

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
    pub(crate) segments: i32,
    pub(crate) batch_id: Option<Uuid>,
}

/// A message as stored.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) idempotency_key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) channel: String,
    pub(crate) purpose: String,
    pub(crate) mode: String,
    pub(crate) language: String,
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
    pub(crate) segments: i32,
    pub(crate) cost_currency: Option<String>,
    pub(crate) batch_id: Option<Uuid>,
    pub(crate) failed_providers: Vec<String>,
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

/// Stores many messages of one owner at once; those whose keys are known already are left out of the answer.
pub(crate) async fn insert_messages(
    conn: &mut AsyncPgConnection,
    new: Vec<NewMessage>,
) -> QueryResult<Vec<MessageRow>> {
    diesel::insert_into(messages::table)
        .values(new)
        .on_conflict((messages::owner, messages::idempotency_key))
        .do_nothing()
        .returning(MessageRow::as_returning())
        .get_results(conn)
        .await
}

/// Messages of an owner by their keys.
pub(crate) async fn list_by_keys(
    conn: &mut AsyncPgConnection,
    owner: &str,
    keys: &[String],
) -> QueryResult<Vec<MessageRow>> {
    messages::table
        .filter(messages::owner.eq(owner))
        .filter(messages::idempotency_key.eq_any(keys))
        .order(messages::number)
        .select(MessageRow::as_select())
        .load(conn)
        .await
}

/// Takes due messages for this process: a lease makes them due again if it dies. What was queued is marked as being sent,
/// so that a death in between shows; the rows are answered as they were before.
pub(crate) async fn lease_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> QueryResult<Vec<MessageRow>> {
    let due = messages::table
        .filter(messages::due_at.le(now))
        .order(messages::due_at)
        .limit(batch)
        .select(MessageRow::as_select())
        .for_update()
        .skip_locked()
        .load::<MessageRow>(conn)
        .await?;
    let of = |queued: bool| -> Vec<Uuid> {
        let rows = due.iter().filter(|row| (row.state == "queued") == queued);
        rows.map(|row| row.id).collect()
    };
    let (queued, others) = (of(true), of(false));
    if !queued.is_empty() {
        diesel::update(messages::table.filter(messages::id.eq_any(queued)))
            .set((
                messages::due_at.eq(Some(now + LEASE)),
                messages::state.eq("sending"),
            ))
            .execute(conn)
            .await?;
    }
    if !others.is_empty() {
        diesel::update(messages::table.filter(messages::id.eq_any(others)))
            .set(messages::due_at.eq(Some(now + LEASE)))
            .execute(conn)
            .await?;
    }
    Ok(due)
}

/// Lets a queued message wait.
pub(crate) async fn postpone(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
) -> QueryResult<MessageRow> {
    diesel::update(messages::table.find(id))
        .set(messages::due_at.eq(Some(until)))
        .returning(MessageRow::as_returning())
        .get_result(conn)
        .await
}

/// Lets queued messages wait.
pub(crate) async fn postpone_all(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
    until: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(messages::table.filter(messages::id.eq_any(ids)))
        .set(messages::due_at.eq(Some(until)))
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
    pub(crate) cost_currency: Option<&'static str>,
    pub(crate) segments: Option<i32>,
    /// This provider took it and did not deliver it.
    pub(crate) failed_provider: Option<String>,
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
    provider_slug: Option<Option<String>>,
    provider_message_id: Option<Option<String>>,
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
    cost_currency: Option<&'static str>,
    segments: Option<i32>,
    failed_providers: Option<Vec<String>>,
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
    let failover = change.state == "queued" && change.failed_provider.is_some();
    // A second provider's price comes on top of the first one's.
    let cost = match (change.cost_amount, seen.cost_amount, change.cost_currency) {
        (Some(new), Some(old), currency)
            if !seen.failed_providers.is_empty() && currency == seen.cost_currency.as_deref() =>
        {
            Some(new.saturating_add(old))
        }
        (new, _, _) => new,
    };
    let failed_providers = change.failed_provider.map(|slug| {
        let mut failed = seen.failed_providers.clone();
        failed.push(slug);
        failed
    });
    let set = Changeset {
        state: change.state,
        // A message that goes to the next provider belongs to none meanwhile.
        provider_slug: if failover {
            Some(None)
        } else {
            change.provider_slug.map(Some)
        },
        provider_message_id: if failover {
            Some(None)
        } else {
            change.provider_message_id.map(Some)
        },
        cost_amount: cost,
        cost_currency: change.cost_currency,
        segments: change.segments,
        failed_providers,
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

/// What a template key is called at a provider, in one language.
#[derive(Clone, Queryable)]
pub(crate) struct TemplateValue {
    /// A provider's slug or client, `email`, or `''` for the text of providers without templates.
    pub(crate) provider_slug: String,
    pub(crate) value: String,
    pub(crate) subject: Option<String>,
    pub(crate) html: Option<String>,
}

/// Entries of a template key: the organisation's own before the platform's, those of the language before those of all.
pub(crate) async fn list_template_values(
    conn: &mut AsyncPgConnection,
    organization_id: Option<Uuid>,
    key: &str,
    language: &str,
) -> QueryResult<Vec<TemplateValue>> {
    message_templates::table
        .filter(message_templates::key.eq(key))
        .filter(
            message_templates::organization_id
                .is_null()
                .or(message_templates::organization_id.eq(organization_id)),
        )
        .filter(message_templates::language.eq_any([language, ""]))
        .order((
            message_templates::organization_id.asc().nulls_last(),
            message_templates::language.desc(),
        ))
        .select((
            message_templates::provider_slug,
            message_templates::value,
            message_templates::subject,
            message_templates::html,
        ))
        .load(conn)
        .await
}

/// A message that a provider took, by the provider's id.
pub(crate) async fn find_sent(
    conn: &mut AsyncPgConnection,
    provider_slug: &str,
    provider_message_id: &str,
) -> QueryResult<Option<MessageRow>> {
    messages::table
        .filter(messages::provider_message_id.eq(provider_message_id))
        .filter(messages::provider_slug.eq(provider_slug))
        .filter(messages::state.eq("sent"))
        .order(messages::created_at.desc())
        .select(MessageRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// A message of an organisation by its id, its number, or the provider's number.
pub(crate) async fn find_message(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    id: &str,
) -> QueryResult<Option<MessageRow>> {
    let mut query = messages::table
        .filter(messages::organization_id.eq(organization_id))
        .filter(messages::channel.eq_any(["sms", "voice"]))
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
