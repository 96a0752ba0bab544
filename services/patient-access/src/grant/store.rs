//! The rows of grants.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::schema::{cached_summaries, grants};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = grants)]
pub(crate) struct GrantRow {
    pub(crate) id: Uuid,
    pub(crate) request_id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) doctor_id: Uuid,
    pub(crate) doctor_name: String,
    pub(crate) patient_phone: String,
    pub(crate) phone_as_given: String,
    pub(crate) patient_user_id: Option<Uuid>,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) granted_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) revoked_by: Option<String>,
    pub(crate) last_viewed_at: Option<DateTime<Utc>>,
    pub(crate) view_count: i64,
    pub(crate) version: i64,
}

/// What is kept of a token: 381 random bits need no slow hash.
pub(crate) fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

pub(crate) async fn insert_grant(conn: &mut AsyncPgConnection, row: &GrantRow) -> QueryResult<()> {
    diesel::insert_into(grants::table)
        .values(row)
        .execute(conn)
        .await?;
    Ok(())
}

/// The live grant of a token, when it is this doctor's in this clinic.
pub(crate) async fn find_live(
    conn: &mut AsyncPgConnection,
    hash: &[u8],
    (doctor, organization): (Uuid, Uuid),
    now: DateTime<Utc>,
) -> QueryResult<Option<GrantRow>> {
    grants::table
        .filter(grants::token_hash.eq(hash))
        .filter(
            grants::doctor_id
                .eq(doctor)
                .and(grants::organization_id.eq(organization)),
        )
        .filter(grants::revoked_at.is_null().and(grants::expires_at.gt(now)))
        .select(GrantRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// As [`find_live`], holding off a revocation until the transaction ends.
pub(crate) async fn lock_live(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<GrantRow>> {
    grants::table
        .find(id)
        .filter(grants::revoked_at.is_null().and(grants::expires_at.gt(now)))
        .select(GrantRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Counts a look.
pub(crate) async fn update_viewed(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(grants::table.find(id))
        .set((
            grants::last_viewed_at.eq(now),
            grants::view_count.eq(grants::view_count + 1),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The grant, whoever's; for deciding who may revoke it.
pub(crate) async fn lock_grant(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<GrantRow>> {
    grants::table
        .find(id)
        .select(GrantRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Ends a grant and forgets what was cached under it.
pub(crate) async fn update_revoked(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    by: &str,
    now: DateTime<Utc>,
) -> QueryResult<GrantRow> {
    diesel::delete(cached_summaries::table.find(id))
        .execute(conn)
        .await?;
    diesel::update(grants::table.find(id))
        .set((
            grants::revoked_at.eq(now),
            grants::revoked_by.eq(by),
            grants::version.eq(grants::version + 1),
        ))
        .returning(GrantRow::as_returning())
        .get_result(conn)
        .await
}

/// Whose grants are listed.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A doctor of a clinic.
    Doctor(Uuid, Uuid),
    /// The patient of a phone number.
    Patient(String),
}

/// A page of grants, newest first, and how many there are.
pub(crate) async fn list_grants(
    conn: &mut AsyncPgConnection,
    holder: &Holder,
    live_at: Option<DateTime<Utc>>,
    (limit, offset): (i64, i64),
) -> QueryResult<(i64, Vec<GrantRow>)> {
    let wanted = || {
        let mut query = grants::table.into_boxed();
        query = match holder.clone() {
            Holder::Doctor(doctor, organization) => query.filter(
                grants::doctor_id
                    .eq(doctor)
                    .and(grants::organization_id.eq(organization)),
            ),
            Holder::Patient(phone) => query.filter(grants::patient_phone.eq(phone)),
        };
        match live_at {
            Some(now) => query.filter(grants::revoked_at.is_null().and(grants::expires_at.gt(now))),
            None => query,
        }
    };
    let total = wanted().count().get_result(conn).await?;
    let rows = wanted()
        .order((grants::granted_at.desc(), grants::id.desc()))
        .limit(limit)
        .offset(offset)
        .select(GrantRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}
