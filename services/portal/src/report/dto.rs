//! Reports on the wire (R18, wire.md 5, cimef.md 2.7).

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ReportRow;

fn file_type(row: &ReportRow) -> &'static str {
    match row.content_type.as_str() {
        "image/jpeg" => "JPG",
        "image/png" => "PNG",
        _ => "PDF",
    }
}

/// A size as people read it: `1.4 MB`.
fn human_size(bytes: i64) -> String {
    let bytes = bytes.max(0);
    let tenths = |unit: i64| {
        let value = bytes * 10 / unit;
        format!("{}.{}", value / 10, value % 10)
    };
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KB", tenths(1_024)),
        _ => format!("{} MB", tenths(1_048_576)),
    }
}

/// A report as its patient sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportItem {
    id: Uuid,
    filename: String,
    report_file: String,
    created_at: DateTime<Utc>,
    download_url: String,
    download_count: i64,
    is_active: bool,
    is_accessible: bool,
    file_type: &'static str,
    file_size: String,
    file_size_bytes: i64,
}

impl ReportItem {
    pub(crate) fn new(row: &ReportRow, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id,
            filename: row.file_name.clone(),
            report_file: row.file_name.clone(),
            created_at: row.created_at,
            download_url: format!("/api/reports/patient-download/{}/", row.id),
            download_count: row.download_count,
            is_active: row.is_active,
            is_accessible: row.is_accessible(now),
            file_type: file_type(row),
            file_size: human_size(row.size_bytes),
            file_size_bytes: row.size_bytes,
        }
    }
}

/// A report as staff see it. `report_file` opens for ten minutes without a header.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportResponse {
    id: Uuid,
    patient_access: i64,
    patient: i64,
    patient_name: String,
    access_key: String,
    report_file: String,
    filename: String,
    download_url: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    is_active: bool,
    is_accessible: bool,
    download_count: i64,
    invoice_number: Option<String>,
    file_type: &'static str,
    file_size: String,
    file_size_bytes: i64,
}

/// What a staff answer shows beside the row.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) access_number: i64,
    pub(crate) access_key: String,
    pub(crate) patient_number: i64,
    pub(crate) patient_name: String,
    pub(crate) invoice_number: Option<String>,
    pub(crate) url: String,
}

impl ReportResponse {
    pub(crate) fn new(row: &ReportRow, around: Around, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id,
            patient_access: around.access_number,
            patient: around.patient_number,
            patient_name: around.patient_name,
            access_key: around.access_key,
            report_file: around.url.clone(),
            filename: row.file_name.clone(),
            download_url: around.url,
            created_at: row.created_at,
            expires_at: row.expires_at,
            is_active: row.is_active,
            is_accessible: row.is_accessible(now),
            download_count: row.download_count,
            invoice_number: around.invoice_number,
            file_type: file_type(row),
            file_size: human_size(row.size_bytes),
            file_size_bytes: row.size_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(human_size(512), "512 B");
        assert_eq!(human_size(1_536), "1.5 KB");
        assert_eq!(human_size(1_468_006), "1.3 MB");
    }
}
