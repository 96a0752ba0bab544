//! An organisation's own rules for texts: when its patients sleep, and how much it may send in a month.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use diesel::{prelude::*, query_dsl::methods::FilterDsl, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::quiet::Quiet;
use crate::{
    AppState,
    schema::{sms_settings, sms_usage},
};

/// A row as stored.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sms_settings, treat_none_as_null = true)]
pub(crate) struct SettingsRow {
    pub(crate) organization_id: Uuid,
    pub(crate) time_zone: String,
    pub(crate) quiet_from: Option<NaiveTime>,
    pub(crate) quiet_until: Option<NaiveTime>,
    pub(crate) monthly_segments: Option<i64>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn find_settings(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
) -> QueryResult<Option<SettingsRow>> {
    sms_settings::table
        .find(organization_id)
        .select(SettingsRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn upsert_settings(
    conn: &mut AsyncPgConnection,
    row: &SettingsRow,
) -> QueryResult<usize> {
    diesel::insert_into(sms_settings::table)
        .values(row)
        .on_conflict(sms_settings::organization_id)
        .do_update()
        .set((row, sms_settings::version.eq(sms_settings::version + 1)))
        .execute(conn)
        .await
}

/// What counts for an organisation: its own settings, else the platform's.
pub(crate) struct Rules {
    pub(crate) quiet: Option<Quiet>,
    /// Segments a month; `None`: no limit.
    pub(crate) monthly_segments: Option<i64>,
}

pub(crate) async fn rules(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    organization_id: Option<Uuid>,
) -> QueryResult<Rules> {
    let settings = &state.settings.messages;
    let own = match organization_id {
        Some(id) => find_settings(conn, id).await?,
        None => None,
    };
    let usual = settings.quiet(state.settings.environment);
    let (hours, zone) = match &own {
        Some(row) => (row.quiet_from.zip(row.quiet_until), row.time_zone.as_str()),
        None => (usual, settings.time_zone.as_str()),
    };
    let quiet = hours
        .zip(zone.parse().ok())
        .map(|((from, until), zone)| Quiet { from, until, zone });
    let platform = Some(settings.organization_month_segments).filter(|limit| *limit > 0);
    Ok(Rules {
        quiet,
        monthly_segments: own.and_then(|row| row.monthly_segments).or(platform),
    })
}

/// The month that a moment counts in.
pub(crate) fn month_of(now: DateTime<Utc>) -> NaiveDate {
    let date = now.date_naive();
    date.with_day(1).unwrap_or(date)
}

/// Counts texts of an organisation. False, and nothing counted, when those that the limit concerns would pass it; parallel
/// calls cannot pass it together, because the row is locked by the statement that counts.
pub(crate) async fn count(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    now: DateTime<Utc>,
    (messages, segments): (i64, i64),
    limit: Option<Option<i64>>,
) -> QueryResult<bool> {
    let limited = if limit.is_some() { segments } else { 0 };
    let most = limit.flatten().unwrap_or(i64::MAX);
    if limited > most {
        return Ok(false);
    }
    let upsert = diesel::insert_into(sms_usage::table)
        .values((
            sms_usage::organization_id.eq(organization_id),
            sms_usage::month.eq(month_of(now)),
            sms_usage::messages.eq(messages),
            sms_usage::segments.eq(segments),
            sms_usage::limited_segments.eq(limited),
        ))
        .on_conflict((sms_usage::organization_id, sms_usage::month))
        .do_update()
        .set((
            sms_usage::messages.eq(sms_usage::messages + excluded(sms_usage::messages)),
            sms_usage::segments.eq(sms_usage::segments + excluded(sms_usage::segments)),
            sms_usage::limited_segments
                .eq(sms_usage::limited_segments + excluded(sms_usage::limited_segments)),
        ));
    let counted = FilterDsl::filter(upsert, sms_usage::limited_segments.le(most - limited))
        .execute(conn)
        .await?;
    Ok(counted == 1)
}

/// What an organisation sent in the month of `now`: messages, segments, and those that the limit concerns.
pub(crate) async fn usage(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<(i64, i64, i64)> {
    let counted = sms_usage::table
        .find((organization_id, month_of(now)))
        .select((
            sms_usage::messages,
            sms_usage::segments,
            sms_usage::limited_segments,
        ))
        .first(conn)
        .await
        .optional()?;
    Ok(counted.unwrap_or_default())
}
