//! Rows of invitations.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::sum;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::organization::store::contains;
use crate::schema::{invitations, memberships, organizations, users};

/// An invitation with the names around it.
#[derive(Queryable, Debug, Clone)]
pub struct InvitationRow {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) organization_number: i64,
    pub(crate) organization_name: String,
    pub(crate) organization_active: bool,
    pub(crate) phone: String,
    pub(crate) clinic_role: Option<String>,
    pub(crate) content_role: Option<String>,
    pub(crate) license_number: String,
    pub(crate) language: String,
    pub(crate) state: String,
    pub(crate) invited_by: Uuid,
    pub(crate) inviter_number: i64,
    pub(crate) inviter_name: String,
    pub(crate) inviter_active: bool,
    pub(crate) inviter_superuser: bool,
    pub(crate) sends: i32,
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) delivery: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) decided_at: Option<DateTime<Utc>>,
}

#[derive(Insertable, Debug)]
#[diesel(table_name = invitations)]
pub(crate) struct NewInvitation {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) phone: String,
    pub(crate) clinic_role: Option<&'static str>,
    pub(crate) content_role: Option<&'static str>,
    pub(crate) license_number: String,
    pub(crate) language: &'static str,
    pub(crate) invited_by: Uuid,
    pub(crate) sends: i32,
    pub(crate) sent_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct InvitationQuery<'a> {
    /// Only organisations that this person administers; `None` for superusers.
    pub(crate) seen_by: Option<Uuid>,
    pub(crate) organization: Option<Uuid>,
    pub(crate) state: Option<&'a str>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

macro_rules! columns {
    () => {
        (
            invitations::id,
            invitations::organization_id,
            organizations::number,
            organizations::name,
            organizations::is_active,
            invitations::phone,
            invitations::clinic_role,
            invitations::content_role,
            invitations::license_number,
            invitations::language,
            invitations::state,
            invitations::invited_by,
            users::number,
            users::full_name,
            users::is_active,
            users::is_superuser,
            invitations::sends,
            invitations::sent_at,
            invitations::delivery,
            invitations::created_at,
            invitations::expires_at,
            invitations::decided_at,
        )
    };
}

macro_rules! joined {
    () => {
        invitations::table
            .inner_join(organizations::table.on(organizations::id.eq(invitations::organization_id)))
            .inner_join(users::table.on(users::id.eq(invitations::invited_by)))
    };
}

/// Inserts; the unique key `invitations_pending_key` refuses a second living one.
pub(crate) async fn insert_invitation(
    conn: &mut AsyncPgConnection,
    new: &NewInvitation,
) -> QueryResult<()> {
    diesel::insert_into(invitations::table)
        .values(new)
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn find_invitation(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<InvitationRow>> {
    joined!()
        .filter(invitations::id.eq(id))
        .select(columns!())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn get_invitation(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<InvitationRow> {
    joined!()
        .filter(invitations::id.eq(id))
        .select(columns!())
        .first(conn)
        .await
}

/// Locks the row until the end of the transaction; false when there is none.
pub(crate) async fn lock_invitation(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<bool> {
    let found: Option<Uuid> = invitations::table
        .find(id)
        .select(invitations::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Living invitations of a phone, the newest first.
pub(crate) async fn list_living_of_phone(
    conn: &mut AsyncPgConnection,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<Vec<InvitationRow>> {
    joined!()
        .filter(invitations::phone.eq(phone))
        .filter(invitations::state.eq("pending"))
        .filter(invitations::expires_at.gt(now))
        .filter(organizations::is_active)
        .order(invitations::created_at.desc())
        .limit(100)
        .select(columns!())
        .load(conn)
        .await
}

/// One page and the size of the whole list.
pub(crate) async fn list_invitations(
    conn: &mut AsyncPgConnection,
    query: &InvitationQuery<'_>,
    now: DateTime<Utc>,
) -> QueryResult<(i64, Vec<InvitationRow>)> {
    macro_rules! filtered {
        () => {{
            let mut list = joined!().into_boxed();
            if let Some(user) = query.seen_by {
                let own = memberships::table
                    .filter(memberships::user_id.eq(user))
                    .filter(memberships::is_active)
                    .filter(
                        memberships::clinic_role
                            .eq("admin")
                            .or(memberships::content_role.eq("admin")),
                    )
                    .select(memberships::organization_id);
                list = list.filter(invitations::organization_id.eq_any(own));
            }
            if let Some(organization) = query.organization {
                list = list.filter(invitations::organization_id.eq(organization));
            }
            list = match query.state {
                Some("pending") => list
                    .filter(invitations::state.eq("pending"))
                    .filter(invitations::expires_at.gt(now)),
                Some("expired") => list.filter(
                    invitations::state.eq("expired").or(invitations::state
                        .eq("pending")
                        .and(invitations::expires_at.le(now))),
                ),
                Some(state) => list.filter(invitations::state.eq(state.to_owned())),
                None => list,
            };
            if let Some(text) = query.search {
                list = list.filter(invitations::phone.like(contains(text)));
            }
            list
        }};
    }
    let count = filtered!().count().get_result(conn).await?;
    let list = filtered!()
        .select(columns!())
        .limit(query.limit)
        .offset(query.offset);
    let list = match query.ordering {
        "created_at" => list.order((invitations::created_at.asc(), invitations::id.asc())),
        "expires_at" => list.order((invitations::expires_at.asc(), invitations::id.asc())),
        "-expires_at" => list.order((invitations::expires_at.desc(), invitations::id.desc())),
        _ => list.order((invitations::created_at.desc(), invitations::id.desc())),
    };
    Ok((count, list.load(conn).await?))
}

/// Whose text messages are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget<'a> {
    Organization(Uuid),
    Inviter(Uuid),
    Phone(&'a str),
}

/// Text messages in the last 24 hours. An invitation lives 90 days at most, so older rows hold none.
pub(crate) async fn count_sends(
    conn: &mut AsyncPgConnection,
    budget: Budget<'_>,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    let recent = invitations::table
        .filter(invitations::sent_at.gt(now - TimeDelta::hours(24)))
        .filter(invitations::created_at.gt(now - TimeDelta::days(91)))
        .into_boxed();
    let recent = match budget {
        Budget::Organization(id) => recent.filter(invitations::organization_id.eq(id)),
        Budget::Inviter(id) => recent.filter(invitations::invited_by.eq(id)),
        Budget::Phone(phone) => recent.filter(invitations::phone.eq(phone.to_owned())),
    };
    let found: Option<i64> = recent.select(sum(invitations::sends)).first(conn).await?;
    Ok(found.unwrap_or(0))
}

/// Closes what waits past its time for this phone, so that a new one may be made.
pub(crate) async fn expire_of_phone(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        invitations::table
            .filter(invitations::organization_id.eq(organization))
            .filter(invitations::phone.eq(phone))
            .filter(invitations::state.eq("pending"))
            .filter(invitations::expires_at.le(now)),
    )
    .set(invitations::state.eq("expired"))
    .execute(conn)
    .await
    .map(|_| ())
}

/// One more text message, and a new time.
pub(crate) async fn renew(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(invitations::table.find(id))
        .set((
            invitations::state.eq("pending"),
            invitations::expires_at.eq(expires_at),
            invitations::sends.eq(invitations::sends + 1),
            invitations::sent_at.eq(now),
            invitations::delivery.eq("waiting"),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// What became of the text message. One that certainly went nowhere is not counted and may be repeated at once.
pub(crate) async fn set_delivery(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    delivery: &str,
) -> QueryResult<()> {
    let row = invitations::table.find(id);
    if delivery == "failed" {
        diesel::update(row)
            .set((
                invitations::delivery.eq(delivery),
                invitations::sends.eq(invitations::sends - 1),
                invitations::sent_at.eq(None::<DateTime<Utc>>),
            ))
            .execute(conn)
            .await?;
    } else {
        diesel::update(row)
            .set(invitations::delivery.eq(delivery))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Decides a waiting invitation.
pub(crate) async fn decide(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    state: &str,
    by: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(invitations::table.find(id))
        .set((
            invitations::state.eq(state),
            invitations::decided_by.eq(by),
            invitations::decided_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Marks what ran out of time and forgets phones a year later.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let expired = diesel::update(
        invitations::table
            .filter(invitations::state.eq("pending"))
            .filter(invitations::expires_at.le(now)),
    )
    .set(invitations::state.eq("expired"))
    .execute(conn)
    .await?;
    let old = diesel::delete(
        invitations::table
            .filter(invitations::state.ne("pending"))
            .filter(invitations::created_at.lt(now - TimeDelta::days(365))),
    )
    .execute(conn)
    .await?;
    Ok(expired + old)
}
