//! Texts of an organisation as staff see them: list and detail.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    sms_http::shown_number,
    store::{AttemptRow, MessageRow},
};
use crate::schema::messages;

/// A text as shown. Neither its receiver nor its words are in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SmsResponse {
    id: Uuid,
    /// The provider's number, else ours.
    message_id: i64,
    /// Masked.
    receptor: String,
    status: String,
    purpose: String,
    language: String,
    provider: Option<String>,
    provider_message_id: Option<String>,
    /// Messages of the network that the text took.
    segments: i32,
    /// In minor units of `currency`.
    cost: Option<i64>,
    currency: Option<String>,
    attempts: i32,
    error_code: Option<String>,
    batch: Option<Uuid>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// In the detail only.
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<Vec<AttemptRow>>,
}

impl SmsResponse {
    pub(crate) fn new(row: MessageRow, tries: Option<Vec<AttemptRow>>) -> Self {
        Self {
            id: row.id,
            message_id: shown_number(&row),
            receptor: row.recipient_masked,
            status: row.state,
            purpose: row.purpose,
            language: row.language,
            provider: row.provider_slug,
            provider_message_id: row.provider_message_id,
            segments: row.segments,
            cost: row.cost_amount,
            currency: row.cost_currency,
            attempts: row.attempts,
            error_code: row.error_code,
            batch: row.batch_id,
            created_at: row.created_at,
            sent_at: row.sent_at,
            finished_at: row.finished_at,
            tries,
        }
    }
}

/// Which texts are listed.
#[derive(Debug, Default)]
pub(crate) struct SmsFilter {
    pub(crate) status: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) batch: Option<Uuid>,
    pub(crate) after: Option<DateTime<Utc>>,
    pub(crate) before: Option<DateTime<Utc>>,
    /// A receiver's number as it is masked.
    pub(crate) receptor: Option<String>,
    /// A number of ours or of the provider.
    pub(crate) number: Option<String>,
}

type Query<'a> = messages::BoxedQuery<'a, Pg>;

fn filtered(organization: Uuid, filter: &SmsFilter) -> Query<'_> {
    let mut query = messages::table
        .filter(messages::organization_id.eq(organization))
        .filter(messages::channel.eq_any(["sms", "voice"]))
        .into_boxed();
    if let Some(status) = &filter.status {
        query = query.filter(messages::state.eq(status));
    }
    if let Some(purpose) = &filter.purpose {
        query = query.filter(messages::purpose.eq(purpose));
    }
    if let Some(provider) = &filter.provider {
        query = query.filter(messages::provider_slug.eq(provider));
    }
    if let Some(batch) = filter.batch {
        query = query.filter(messages::batch_id.eq(batch));
    }
    if let Some(after) = filter.after {
        query = query.filter(messages::created_at.ge(after));
    }
    if let Some(before) = filter.before {
        query = query.filter(messages::created_at.lt(before));
    }
    if let Some(receptor) = &filter.receptor {
        query = query.filter(messages::recipient_masked.eq(receptor));
    }
    if let Some(number) = &filter.number {
        let ours: i64 = number.parse().unwrap_or(-1);
        query = query.filter(
            messages::provider_message_id
                .eq(number.clone())
                .or(messages::number.eq(ours)),
        );
    }
    query
}

pub(crate) async fn count_sms(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &SmsFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

/// A page; newest first unless `ordering` says otherwise (`created_at`, `cost`, `segments`, `status`).
pub(crate) async fn list_sms(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &SmsFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<MessageRow>> {
    let mut query = filtered(organization, filter);
    let allowed = ["created_at", "cost", "segments", "status"];
    for term in common_types::ordering::parse(ordering, &allowed) {
        query = match (term.field, term.descending) {
            ("created_at", false) => query.then_order_by(messages::created_at.asc()),
            ("created_at", true) => query.then_order_by(messages::created_at.desc()),
            ("cost", false) => query.then_order_by(messages::cost_amount.asc().nulls_last()),
            ("cost", true) => query.then_order_by(messages::cost_amount.desc().nulls_last()),
            ("segments", false) => query.then_order_by(messages::segments.asc()),
            ("segments", true) => query.then_order_by(messages::segments.desc()),
            (_, false) => query.then_order_by(messages::state.asc()),
            (_, true) => query.then_order_by(messages::state.desc()),
        };
    }
    query
        .then_order_by(messages::created_at.desc())
        .then_order_by(messages::id.desc())
        .offset(offset)
        .limit(limit)
        .select(MessageRow::as_select())
        .load(conn)
        .await
}
