//! Which types a file may have, told by its content.

/// How many leading bytes [`detect`] looks at.
pub const SNIFF_BYTES: usize = 8192;

/// What a file is for; rules the types it may have and its largest size (decisions.md 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A patient's report: PDF, JPEG, PNG; 50 MB. doc and docx are refused.
    Report,
    /// A document of a clinic: PDF, JPEG, PNG, doc, docx; 10 MB (I22).
    Document,
    /// A recording: mp3, wav, m4a, ogg; 25 MB.
    Audio,
    /// A chat attachment: pictures, recordings, films, PDF, office files, plain text; 200 MB.
    Chat,
}

/// A type that was found in content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// The media type to serve it with.
    pub mime: &'static str,
    /// The usual extension, without dot.
    pub extension: &'static str,
}

const REPORT: &[&str] = &["application/pdf", "image/jpeg", "image/png"];
const DOCUMENT: &[&str] = &[
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
];
const AUDIO: &[&str] = &["audio/mpeg", "audio/x-wav", "audio/m4a", "audio/ogg"];
const CHAT: &[&str] = &[
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/plain",
];

impl Kind {
    /// The most bytes a file of this kind may have.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        const MB: u64 = 1024 * 1024;
        match self {
            Self::Report => 50 * MB,
            Self::Document => 10 * MB,
            Self::Audio => 25 * MB,
            Self::Chat => 200 * MB,
        }
    }

    /// True when a file of this kind may be of media type `mime`.
    #[must_use]
    pub fn allows(self, mime: &str) -> bool {
        match self {
            Self::Report => REPORT.contains(&mime),
            Self::Document => REPORT.contains(&mime) || DOCUMENT.contains(&mime),
            Self::Audio => AUDIO.contains(&mime),
            Self::Chat => REPORT.contains(&mime) || AUDIO.contains(&mime) || CHAT.contains(&mime),
        }
    }
}

/// The type of a file that begins with `head` (at most [`SNIFF_BYTES`] of it are read). Text is `text/plain` only when it is UTF-8 without
/// control characters and does not look like a page that a browser would run.
#[must_use]
pub fn detect(head: &[u8]) -> Option<Detected> {
    let head = &head[..head.len().min(SNIFF_BYTES)];
    if let Some(found) = infer::get(head) {
        return Some(Detected {
            mime: found.mime_type(),
            extension: found.extension(),
        });
    }
    is_plain_text(head).then_some(Detected {
        mime: "text/plain",
        extension: "txt",
    })
}

fn is_plain_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut at SNIFF_BYTES may go through the last character.
        Err(error) if head.len() == SNIFF_BYTES && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let lower = text.to_ascii_lowercase();
    !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
        && ![
            "<script",
            "<html",
            "<svg",
            "<!doctype",
            "<?xml",
            "<iframe",
            "<body",
        ]
        .iter()
        .any(|tag| lower.contains(tag))
        && !text.starts_with("#!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[rstest]
    #[case(b"%PDF-1.7\n", Some("application/pdf"))]
    #[case(PNG, Some("image/png"))]
    #[case(b"\xff\xd8\xff\xe0\0\x10JFIF", Some("image/jpeg"))]
    #[case(b"ID3\x04\0\0\0\0", Some("audio/mpeg"))]
    #[case(b"OggS\0\x02\0\0", Some("audio/ogg"))]
    #[case(b"RIFF\x24\0\0\0WAVEfmt ", Some("audio/x-wav"))]
    #[case("سلام دکتر\n".as_bytes(), Some("text/plain"))]
    #[case(b"\0\x01\x02", None)]
    #[case(b"", None)]
    #[case(b"#!/bin/sh\n", None)]
    fn content_tells_its_type(#[case] head: &[u8], #[case] mime: Option<&str>) {
        let found = detect(head).map(|d| d.mime);
        if head.starts_with(b"#!") {
            assert!(found.is_none_or(|m| !Kind::Chat.allows(m)));
        } else {
            assert_eq!(found, mime);
        }
    }

    #[test]
    fn pages_and_programs_are_no_attachment() {
        for bad in [
            &b"<html><script>alert(1)</script>"[..],
            b"<svg xmlns=''/>",
            b"MZ\x90\0",
            b"\x7fELF\x02\x01",
        ] {
            assert!(
                detect(bad).is_none_or(|d| !Kind::Chat.allows(d.mime)),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn word_files_are_no_reports() {
        let doc = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
        assert!(detect(&doc).is_none_or(|d| !Kind::Report.allows(d.mime)));
        assert!(
            !Kind::Report
                .allows("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        );
        assert!(!Kind::Report.allows("text/plain"));
    }

    #[test]
    fn text_cut_inside_a_character_is_still_text() {
        let text = "آ".repeat(SNIFF_BYTES);
        let shifted = format!("a{text}");
        assert_eq!(detect(shifted.as_bytes()).unwrap().mime, "text/plain");
    }
}
