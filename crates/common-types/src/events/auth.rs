//! Events of auth-otp. `auth.user_*` is the only family that carries personal data (decisions.md 24).

use super::event;
use crate::{ClinicRole, ContentRole, Language, PhoneNumber};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One membership inside [`UserRegistered`] and [`UserUpdated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserMembership {
    /// The organisation.
    pub organization_id: Uuid,
    /// Clinic role there.
    pub clinic_role: Option<ClinicRole>,
    /// Content role there.
    pub content_role: Option<ContentRole>,
}

/// A user appeared. The whole copy that other services keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// The user.
    pub user_id: Uuid,
    /// The user's bigint number.
    pub number: i64,
    /// Version of the user.
    pub aggregate_version: i64,
    /// Verified phone.
    pub phone: Option<PhoneNumber>,
    /// Opaque handle.
    pub username: Option<String>,
    /// Full name; may be empty.
    pub full_name: String,
    /// Language of the user.
    pub language: Language,
    /// False when the account is closed.
    pub is_active: bool,
    /// Platform-wide superuser.
    pub is_superuser: bool,
    /// Every membership.
    pub memberships: Vec<UserMembership>,
    /// When the user appeared.
    pub created_at: DateTime<Utc>,
}
event!(UserRegistered, "auth.user_registered", 1, user_id, |_e| {
    None
});

/// A user's data, roles or state changed. The whole copy again, so that a consumer needs no earlier event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserUpdated {
    /// The user.
    pub user_id: Uuid,
    /// The user's bigint number.
    pub number: i64,
    /// Version of the user.
    pub aggregate_version: i64,
    /// Verified phone.
    pub phone: Option<PhoneNumber>,
    /// Opaque handle.
    pub username: Option<String>,
    /// Full name; may be empty.
    pub full_name: String,
    /// Language of the user.
    pub language: Language,
    /// False when the account is closed.
    pub is_active: bool,
    /// Platform-wide superuser.
    pub is_superuser: bool,
    /// Every membership.
    pub memberships: Vec<UserMembership>,
    /// When the user appeared.
    pub created_at: DateTime<Utc>,
}
event!(UserUpdated, "auth.user_updated", 1, user_id, |_e| None);

impl From<UserRegistered> for UserUpdated {
    fn from(e: UserRegistered) -> Self {
        Self {
            user_id: e.user_id,
            number: e.number,
            aggregate_version: e.aggregate_version,
            phone: e.phone,
            username: e.username,
            full_name: e.full_name,
            language: e.language,
            is_active: e.is_active,
            is_superuser: e.is_superuser,
            memberships: e.memberships,
            created_at: e.created_at,
        }
    }
}

/// What a revocation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// One session (`sid`).
    Session,
    /// Every token of a user (or portal patient) issued before `not_before`.
    User,
}

/// A session, or every session of a user, must no longer be honoured. Emitted by auth-otp and by portal for its own sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Session id or user id, by `kind`.
    pub id: Uuid,
    /// Version of the revocation.
    pub aggregate_version: i64,
    /// What `id` names.
    pub kind: RevocationKind,
    /// Tokens issued before this (seconds since the epoch) are dead; for a session every token is.
    pub not_before: i64,
    /// From here on nothing can still be valid; the revocation may be forgotten.
    pub expires_at: DateTime<Utc>,
}
event!(SessionRevoked, "auth.session_revoked", 1, id, |_e| None);

/// A person's membership of an organisation was made, changed or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChanged {
    /// The membership.
    pub membership_id: Uuid,
    /// Version of the membership.
    pub aggregate_version: i64,
    /// The organisation.
    pub organization_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// Clinic role now.
    pub clinic_role: Option<ClinicRole>,
    /// Content role now.
    pub content_role: Option<ContentRole>,
    /// False when the membership ended.
    pub is_active: bool,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
event!(
    MemberChanged,
    "auth.member_changed",
    1,
    membership_id,
    |e| Some(e.organization_id)
);

/// An organisation was made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationChanged {
    /// The organisation.
    pub organization_id: Uuid,
    /// Its bigint number.
    pub number: i64,
    /// Version of the organisation.
    pub aggregate_version: i64,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// False when closed.
    pub is_active: bool,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
event!(
    OrganizationChanged,
    "auth.organization_changed",
    1,
    organization_id,
    |e| Some(e.organization_id)
);

/// A workspace was made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceChanged {
    /// The workspace.
    pub workspace_id: Uuid,
    /// Its bigint number.
    pub number: i64,
    /// Version of the workspace.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its slug, unique in the organisation.
    pub slug: String,
    /// False when closed.
    pub is_active: bool,
    /// True when it was deleted.
    pub is_deleted: bool,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
event!(
    WorkspaceChanged,
    "auth.workspace_changed",
    1,
    workspace_id,
    |e| Some(e.organization_id)
);

/// A one-time code was made and is on its way. Neither the code nor the phone is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeIssued {
    /// The code's challenge.
    pub code_id: Uuid,
    /// Always 1: a code is issued once.
    pub aggregate_version: i64,
    /// The organisation it was asked for, when one asked.
    pub organization_id: Option<Uuid>,
    /// The purpose's profile, such as `login_s4`.
    pub purpose: String,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// When it dies.
    pub expires_at: DateTime<Utc>,
}
event!(CodeIssued, "auth.code_issued", 1, code_id, |e| e
    .organization_id);
