//! What CIMEF's users page reads.

use chrono::{DateTime, Utc};
use common_types::{Language, PhoneNumber};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::StaffRow;

/// A user (cimef.md 2.1). Texts are never null: the page lowers their case.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffUserResponse {
    /// The user's number.
    pub id: i64,
    /// The handle, else the phone.
    pub username: String,
    /// E-mail.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// `superuser`, `admin`, `doctor`, `secretary`, `accountant`; empty for who has no clinic role here.
    pub role: String,
    /// Department.
    pub department: String,
    /// E.164.
    pub phone_number: Option<String>,
    /// False while the account is closed or the membership suspended.
    pub is_active: bool,
    /// Last login.
    pub last_login: Option<DateTime<Utc>>,
    /// When the user appeared.
    pub date_joined: DateTime<Utc>,
    /// The user's id everywhere else.
    pub uuid: Uuid,
    /// The content role here.
    pub content_role: Option<String>,
    /// A doctor's licence number; may be empty.
    pub license_number: String,
    /// Language.
    pub language: Language,
    /// Whether this clinic made the account, and so may change its names and password.
    pub is_managed: bool,
}

impl StaffUserResponse {
    /// The row as the desk of `organization` sees it.
    #[must_use]
    pub fn new(row: StaffRow, organization: Option<Uuid>) -> Self {
        let username = row.handle();
        let role = row.role().to_owned();
        let is_active = row.is_active();
        let user = row.user;
        Self {
            id: user.number,
            username,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role,
            department: user.department,
            phone_number: user.phone.as_ref().map(|phone| phone.e164().to_owned()),
            is_active,
            last_login: user.last_login_at,
            date_joined: user.created_at,
            uuid: user.id,
            content_role: row.content_role,
            license_number: row.license_number,
            language: user.language,
            is_managed: user.managed_by.is_some() && user.managed_by == organization,
        }
    }
}

impl StaffRow {
    /// The handle, else the phone as people write it.
    #[must_use]
    pub fn handle(&self) -> String {
        self.user
            .username
            .clone()
            .or_else(|| self.user.phone.as_ref().map(PhoneNumber::national))
            .unwrap_or_default()
    }

    /// CIMEF's role word.
    #[must_use]
    pub fn role(&self) -> &str {
        if self.user.is_superuser {
            "superuser"
        } else {
            self.clinic_role.as_deref().unwrap_or_default()
        }
    }

    /// Neither closed nor suspended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.user.is_active && self.membership_active != Some(false)
    }
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize)]
pub struct StaffFilter {
    /// CIMEF's role word.
    pub role: Option<String>,
    /// Open or closed accounts.
    pub is_active: Option<String>,
}
