//! Sending a report: the audit row first, then the counter, then the bytes (R06).

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use futures_util::StreamExt;

use super::{error::ReportError, store, store::ReportRow};
use crate::{
    invoice::http::attachment,
    state::AppState,
    web::{Act, Who},
};

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`; anything else (several ranges, other units) means the whole file.
///
/// # Errors
/// [`ReportError::Range`] when it lies outside the file.
fn wanted(text: Option<&str>, length: u64) -> Result<Option<Range<u64>>, ReportError> {
    let Some((first, last)) = text
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    if last.contains(',') {
        return Ok(None);
    }
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, false) => {
            let Some(count) = number(last) else {
                return Ok(None);
            };
            length.saturating_sub(count)..if count == 0 { 0 } else { length }
        }
        (false, _) => {
            let Some(start) = number(first) else {
                return Ok(None);
            };
            let end = if last.trim().is_empty() {
                length
            } else {
                let Some(last) = number(last) else {
                    return Ok(None);
                };
                if last < start {
                    return Ok(None);
                }
                last.saturating_add(1).min(length)
            };
            start..end
        }
        (true, true) => return Ok(None),
    };
    if range.start >= range.end {
        Err(ReportError::Range(length))
    } else {
        Ok(Some(range))
    }
}

/// Streams `row`'s file to someone who was found to be allowed. `inline` lets a browser show it, in a sandbox.
///
/// # Errors
/// [`ReportError::FileMissing`], [`ReportError::Range`], or no audit row and therefore no data.
pub(crate) async fn send(
    state: &AppState,
    who: &Who,
    row: &ReportRow,
    request: &HttpRequest,
    inline: bool,
) -> Result<HttpResponse, ReportError> {
    let now = state.now();
    let file = match state.files.open(&row.storage_key).await {
        Ok(file) => file,
        Err(error) => {
            tracing::error!(report = %row.id, %error, "a report's file cannot be opened");
            metrics::counter!("portal_missing_files_total").increment(1);
            return Err(ReportError::FileMissing);
        }
    };
    let length = file.length();
    let tag = format!("\"{}\"", hex::encode(&row.sha256));
    let text = |name: header::HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let same = text(header::IF_RANGE).is_none_or(|sent| sent == tag);
    let range = wanted(text(header::RANGE).filter(|_| same), length)?;
    let whole = range.clone().unwrap_or(0..length);
    // A viewer fetches a file in many parts; the first one counts. Staff looking at it do not.
    let counts = !inline && whole.start == 0;
    state
        .db
        .transaction(async |conn| {
            let act = Act::on("report.downloaded", "report", &[row.id])
                .with(serde_json::json!({"patient_id": row.patient_id, "from": whole.start, "to": whole.end}));
            who.record(conn, act, now).await?;
            if counts {
                store::count_download(conn, row.id).await?;
            }
            Ok::<_, ReportError>(())
        })
        .await?;
    if counts {
        metrics::counter!("portal_report_downloads_total").increment(1);
    }
    let status = if range.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let mut response = HttpResponse::build(status);
    let mut disposition = attachment(&row.file_name);
    if inline {
        disposition.disposition = actix_web::http::header::DispositionType::Inline;
    }
    response
        .content_type(row.content_type.as_str())
        .insert_header(disposition)
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if range.is_some() {
        response.insert_header((
            header::CONTENT_RANGE,
            format!(
                "bytes {}-{}/{length}",
                whole.start,
                whole.end.saturating_sub(1)
            ),
        ));
    }
    let size = whole.end - whole.start;
    let bytes = file.stream(whole)?.map(|chunk| {
        chunk.map_err(|error| actix_web::error::ErrorInternalServerError(error.to_string()))
    });
    response.no_chunking(size);
    Ok(response.streaming(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let of = |text: &str| wanted(Some(text), 100).ok();
        assert_eq!(of("bytes=0-9"), Some(Some(0..10)));
        assert_eq!(of("bytes=90-"), Some(Some(90..100)));
        assert_eq!(of("bytes=-10"), Some(Some(90..100)));
        assert_eq!(of("bytes=-1000"), Some(Some(0..100)));
        assert_eq!(of("bytes=50-1000"), Some(Some(50..100)));
        assert_eq!(of("bytes=0-1,5-6"), Some(None));
        assert_eq!(of("items=0-1"), Some(None));
        assert_eq!(of("bytes=9-1"), Some(None));
        assert_eq!(of("bytes=100-"), None);
        assert_eq!(of("bytes=-0"), None);
        assert_eq!(wanted(None, 100).unwrap(), None);
    }
}
