//! The form of a recording (`multipart/form-data`, RFC 7578): read part by part, and written again for the provider without
//! what it need not know, such as the file's name.

use actix_multipart::{Field, Multipart, MultipartError};
use bytes::Bytes;
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::error::AiError;

/// Longest value of a field, in bytes.
const VALUE_BYTES: usize = 4_096;
/// Fields that are handed on; others are not.
const FIELDS: [&str; 7] = [
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "include[]",
];
/// Formats of a transcript.
const FORMATS: [&str; 5] = ["json", "text", "srt", "verbose_json", "vtt"];
/// Bytes by which a recording is recognised.
const HEAD_BYTES: usize = 512;

/// The next thing in a form.
pub(super) enum Next {
    /// A field that is handed on.
    Field(&'static str, String),
    /// The recording.
    File(Box<Field>),
    /// The form is over.
    End,
}

pub(super) fn unreadable(error: &MultipartError) -> AiError {
    tracing::debug!(%error, "a form could not be read");
    AiError::Invalid("file", "The form cannot be read.".to_owned())
}

/// Reads on to the next field of interest.
pub(super) async fn next(form: &mut Multipart) -> Result<Next, AiError> {
    while let Some(mut field) = form.try_next().await.map_err(|error| unreadable(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        if matches!(name.as_str(), "file" | "audio") {
            return Ok(Next::File(Box::new(field)));
        }
        let value = value(&mut field).await?;
        if name == "stream" && value == "true" {
            return Err(AiError::Invalid(
                "stream",
                "Transcripts are not streamed.".to_owned(),
            ));
        }
        if name == "response_format" && !FORMATS.contains(&value.as_str()) {
            return Err(AiError::Invalid(
                "response_format",
                "json, text, srt, verbose_json or vtt is expected.".to_owned(),
            ));
        }
        if name == "model" && !super::model::is_model_name(&value) {
            return Err(AiError::Invalid(
                "model",
                "This is not the name of a model.".to_owned(),
            ));
        }
        if let Some(known) = FIELDS.into_iter().find(|known| *known == name) {
            return Ok(Next::Field(known, value));
        }
    }
    Ok(Next::End)
}

async fn value(field: &mut Field) -> Result<String, AiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.try_next().await.map_err(|error| unreadable(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > VALUE_BYTES {
            return Err(AiError::Invalid(
                "file",
                format!("A field is longer than {VALUE_BYTES} bytes."),
            ));
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| AiError::Invalid("file", "A field is not UTF-8.".to_owned()))
}

/// The first bytes of a recording, enough to recognise it, and whether they are all of it.
pub(super) async fn head(file: &mut Field) -> Result<(Vec<u8>, bool), AiError> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES {
        match file.try_next().await.map_err(|error| unreadable(&error))? {
            Some(chunk) => head.extend_from_slice(&chunk),
            // A field must not be read again after its end.
            None => return Ok((head, true)),
        }
    }
    Ok((head, false))
}

/// Type and extension of a recording by its content; the client's word does not count.
pub(super) fn kind(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = infer::get(head)?;
    Some(match found.mime_type() {
        "audio/mpeg" => ("audio/mpeg", "mp3"),
        "audio/m4a" => ("audio/mp4", "m4a"),
        "audio/ogg" => ("audio/ogg", "ogg"),
        "audio/x-flac" => ("audio/flac", "flac"),
        "audio/x-wav" => ("audio/wav", "wav"),
        "video/mp4" => ("video/mp4", "mp4"),
        "video/mpeg" => ("video/mpeg", "mpeg"),
        "video/webm" | "video/x-matroska" => ("audio/webm", "webm"),
        _ => return None,
    })
}

/// Writes a form in the order in which its parts come. The boundary is random, so no value can end its part.
pub(super) struct Writer {
    boundary: String,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            boundary: format!("tabib-{}", Uuid::new_v4().simple()),
        }
    }

    pub(super) fn boundary(&self) -> &str {
        &self.boundary
    }

    pub(super) fn field(&self, name: &str, value: &str) -> Bytes {
        format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n",
            self.boundary
        )
        .into()
    }

    pub(super) fn file(&self, mime: &str, extension: &str) -> Bytes {
        format!(
            "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"audio.{extension}\"\r\n\
             Content-Type: {mime}\r\n\r\n",
            self.boundary
        )
        .into()
    }

    pub(super) fn end_of_file() -> Bytes {
        Bytes::from_static(b"\r\n")
    }

    pub(super) fn end(&self) -> Bytes {
        format!("--{}--\r\n", self.boundary).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_known_by_their_content() {
        let wav = b"RIFF\x24\x00\x00\x00WAVEfmt ";
        assert_eq!(kind(wav), Some(("audio/wav", "wav")));
        assert_eq!(kind(b"ID3\x04\x00\x00\x00"), Some(("audio/mpeg", "mp3")));
        assert_eq!(kind(b"OggS\x00\x02\x00\x00"), Some(("audio/ogg", "ogg")));
        assert_eq!(kind(b"fLaC\x00\x00\x00\x22"), Some(("audio/flac", "flac")));
        for other in [&b"%PDF-1.7"[..], b"<html><body>", b"hello", b""] {
            assert_eq!(kind(other), None);
        }
    }
}
