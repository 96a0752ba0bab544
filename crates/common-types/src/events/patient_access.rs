//! Events of patient-access. The patient is named by user id only; portal knows the phone of that user from `auth.user_*`.

use super::event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A patient let a doctor see the latest summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The grant.
    pub grant_id: Uuid,
    /// Version of the grant.
    pub aggregate_version: i64,
    /// The doctor's organisation.
    pub organization_id: Option<Uuid>,
    /// The request it answers; none for emergency access.
    pub request_id: Option<Uuid>,
    /// The doctor.
    pub doctor_id: Uuid,
    /// The user of the patient's phone, when there is one.
    pub patient_user_id: Option<Uuid>,
    /// True for emergency access without the patient's code.
    pub break_glass: bool,
    /// When it begins.
    pub granted_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}
event!(Granted, "patient_access.granted", 1, grant_id, |e| e
    .organization_id);

/// A doctor's request ended without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The request.
    pub request_id: Uuid,
    /// Version of the request.
    pub aggregate_version: i64,
    /// The doctor's organisation.
    pub organization_id: Option<Uuid>,
    /// The doctor.
    pub doctor_id: Uuid,
    /// The user of the patient's phone, when there is one.
    pub patient_user_id: Option<Uuid>,
    /// `wrong_code`, `expired` or `refused`.
    pub reason: String,
    /// When.
    pub denied_at: DateTime<Utc>,
}
event!(Denied, "patient_access.denied", 1, request_id, |e| e
    .organization_id);

/// A doctor read a patient's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    /// This one look; each is an aggregate of its own, so that no look hides another.
    pub view_id: Uuid,
    /// Always 1.
    pub aggregate_version: i64,
    /// The grant it was made under.
    pub grant_id: Uuid,
    /// The doctor's organisation.
    pub organization_id: Option<Uuid>,
    /// The doctor.
    pub doctor_id: Uuid,
    /// The user of the patient's phone, when there is one.
    pub patient_user_id: Option<Uuid>,
    /// True when a summary was shown.
    pub has_summary: bool,
    /// True under emergency access.
    pub break_glass: bool,
    /// When.
    pub viewed_at: DateTime<Utc>,
}
event!(Viewed, "patient_access.viewed", 1, view_id, |e| e
    .organization_id);

/// A grant ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The grant.
    pub grant_id: Uuid,
    /// Version of the grant.
    pub aggregate_version: i64,
    /// The doctor's organisation.
    pub organization_id: Option<Uuid>,
    /// The doctor.
    pub doctor_id: Uuid,
    /// The user of the patient's phone, when there is one.
    pub patient_user_id: Option<Uuid>,
    /// `patient`, `doctor` or `admin`.
    pub revoked_by: String,
    /// When.
    pub revoked_at: DateTime<Utc>,
}
event!(Revoked, "patient_access.revoked", 1, grant_id, |e| e
    .organization_id);
