//! A person and where they stand.

use chrono::{DateTime, Utc};
use common_types::{ClinicRole, ContentRole, Language, PhoneNumber};
use uuid::Uuid;

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: Uuid,
    /// The number that old clients know.
    pub number: i64,
    /// The verified phone.
    pub phone: Option<PhoneNumber>,
    /// The opaque handle.
    pub username: Option<String>,
    /// argon2id; `None` for who logs in by code only.
    pub password_hash: Option<String>,
    /// E-mail; may be empty.
    pub email: String,
    /// Full name; may be empty.
    pub full_name: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Department; may be empty.
    pub department: String,
    /// Language.
    pub language: Language,
    /// False when closed.
    pub is_active: bool,
    /// Platform-wide superuser.
    pub is_superuser: bool,
    /// Wrong passwords in a row.
    pub password_failures: i32,
    /// When the last wrong password came.
    pub password_failed_at: Option<DateTime<Utc>>,
    /// Version of what others copy.
    pub version: i64,
    /// Last login.
    pub last_login_at: Option<DateTime<Utc>>,
    /// When the user appeared.
    pub created_at: DateTime<Utc>,
    /// Access tokens carry this `iat` or a later one, in Unix seconds.
    pub tokens_not_before: i64,
    /// The clinic that made the account; its admins alone set its password and names.
    pub managed_by: Option<Uuid>,
}

impl std::fmt::Debug for User {
    /// Without names, e-mail and hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("phone", &self.phone)
            .finish_non_exhaustive()
    }
}

impl User {
    /// What a list shows: the full name, else the handle, else the phone.
    #[must_use]
    pub fn display_name(&self) -> String {
        if !self.full_name.is_empty() {
            return self.full_name.clone();
        }
        let handle = self
            .username
            .clone()
            .or_else(|| self.phone.as_ref().map(PhoneNumber::national));
        handle.unwrap_or_default()
    }
}

/// One membership as tokens and events need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The membership.
    pub membership_id: Uuid,
    /// The organisation.
    pub organization_id: Uuid,
    /// Its number.
    pub organization_number: i64,
    /// Clinic role there.
    pub clinic_role: Option<ClinicRole>,
    /// Content role there.
    pub content_role: Option<ContentRole>,
}

/// CIMEF's role word: `superuser`, a clinic role, or empty for who is no staff.
#[must_use]
pub fn role_word(user: &User, standing: Option<&Standing>) -> &'static str {
    if user.is_superuser {
        return "superuser";
    }
    standing
        .and_then(|standing| standing.clinic_role)
        .map_or("", ClinicRole::as_str)
}

/// Splits a full name at its first space.
#[must_use]
pub fn split_name(full_name: &str) -> (String, String) {
    let (first, last) = full_name
        .trim()
        .split_once(' ')
        .unwrap_or((full_name.trim(), ""));
    (first.to_owned(), last.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_first_space() {
        assert_eq!(
            split_name("مریم سادات رضایی"),
            ("مریم".into(), "سادات رضایی".into())
        );
        assert_eq!(split_name(" Awa "), ("Awa".into(), String::new()));
        assert_eq!(split_name(""), (String::new(), String::new()));
    }
}
