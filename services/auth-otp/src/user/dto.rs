//! What routes about users take and give.

use chrono::{DateTime, Utc};
use common_types::{ClinicRole, ContentRole, Language, PhoneNumber};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Standing, User, role_word};

/// `/api/auth/me/`: the union of Contexor's and CIMEF's keys (decisions.md 5) and the platform's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeResponse {
    /// The user's number.
    pub id: i64,
    /// The user's id everywhere else.
    pub uuid: Uuid,
    /// E.164, or empty.
    pub phone_number: String,
    /// The handle, or empty.
    pub username: String,
    /// Full name.
    pub full_name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail.
    pub email: String,
    /// CIMEF's role word.
    pub role: &'static str,
    /// Department.
    pub department: String,
    /// False when closed.
    pub is_active: bool,
    /// Clinic staff.
    pub is_staff: bool,
    /// Platform-wide superuser.
    pub is_superuser: bool,
    /// Admin of the clinic, or superuser.
    pub is_admin: bool,
    /// Kept empty, as in CIMEF.
    pub permissions: Vec<String>,
    /// When the user appeared.
    pub date_joined: DateTime<Utc>,
    /// Last login.
    pub last_login: Option<DateTime<Utc>>,
    /// Language.
    pub language: Language,
    /// The session's organisation, by number.
    pub organization: Option<i64>,
    /// The session's organisation, by id.
    pub organization_id: Option<Uuid>,
    /// Clinic role there.
    pub clinic_role: Option<ClinicRole>,
    /// Content role there.
    pub content_role: Option<ContentRole>,
    /// The group tag this session asked for; 0 for none. A tag is never a permission.
    pub group: i32,
    /// Every group tag of the user.
    pub groups: Vec<i32>,
}

impl MeResponse {
    /// How the user stands in the session's organisation.
    #[must_use]
    pub fn new(user: &User, standing: Option<&Standing>, group: i32, groups: Vec<i32>) -> Self {
        let clinic_role = standing.and_then(|standing| standing.clinic_role);
        Self {
            id: user.number,
            uuid: user.id,
            phone_number: user
                .phone
                .as_ref()
                .map(|phone| phone.e164().to_owned())
                .unwrap_or_default(),
            username: user.username.clone().unwrap_or_default(),
            full_name: user.full_name.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            role: role_word(user, standing),
            department: user.department.clone(),
            is_active: user.is_active,
            is_staff: user.is_superuser || clinic_role.is_some(),
            is_superuser: user.is_superuser,
            is_admin: user.is_superuser || clinic_role == Some(ClinicRole::Admin),
            permissions: Vec::new(),
            date_joined: user.created_at,
            last_login: user.last_login_at,
            language: user.language,
            organization: standing.map(|standing| standing.organization_number),
            organization_id: standing.map(|standing| standing.organization_id),
            clinic_role,
            content_role: standing.and_then(|standing| standing.content_role),
            group,
            groups,
        }
    }
}

/// `PATCH /api/auth/me/`; a phone changes by proof only, never here.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateMeRequest {
    /// Full name, at most 255 characters.
    pub full_name: Option<String>,
    /// First name, at most 150 characters.
    pub first_name: Option<String>,
    /// Last name, at most 150 characters.
    pub last_name: Option<String>,
    /// E-mail, at most 254 characters.
    pub email: Option<String>,
    /// Language.
    pub language: Option<Language>,
}

/// The user object of Contexor's OTP answer and member lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct BriefUser {
    /// The user's number.
    pub id: i64,
    /// E.164.
    pub phone_number: Option<String>,
    /// Full name; null when none was given.
    pub full_name: Option<String>,
    /// E-mail; null when none was given.
    pub email: Option<String>,
}

impl From<&User> for BriefUser {
    fn from(user: &User) -> Self {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            id: user.number,
            phone_number: user
                .phone
                .as_ref()
                .map(|phone: &PhoneNumber| phone.e164().to_owned()),
            full_name: some(&user.full_name),
            email: some(&user.email),
        }
    }
}
