//! Ids of the sample clinic, so that each service's seed speaks of the same people. Never used in production: seeds refuse to run there.

use uuid::Uuid;

const fn id(last: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + last)
}

/// The sample organisation.
pub const ORGANIZATION_ID: Uuid = id(0x001);
/// Its workspace for content.
pub const WORKSPACE_ID: Uuid = id(0x201);
/// Number of that workspace on a fresh platform.
pub const WORKSPACE_NUMBER: i64 = 1;
/// The admin.
pub const ADMIN_ID: Uuid = id(0x101);
/// The doctor.
pub const DOCTOR_ID: Uuid = id(0x102);
/// The secretary.
pub const SECRETARY_ID: Uuid = id(0x103);
/// The accountant.
pub const ACCOUNTANT_ID: Uuid = id(0x104);
/// The writer.
pub const WRITER_ID: Uuid = id(0x105);
/// The editor.
pub const EDITOR_ID: Uuid = id(0x106);
/// The patient.
pub const PATIENT_ID: Uuid = id(0x110);
