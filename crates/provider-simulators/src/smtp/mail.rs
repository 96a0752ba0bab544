//! Reads what a mail client composed: enough of MIME (RFC 2045, 2047) to show subject, text and HTML.

use base64::{Engine, prelude::BASE64_STANDARD};

/// What the inbox shows of a mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
}

/// Headers (unfolded, names in lower case) and body.
fn split(part: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = part.split_once("\r\n\r\n").unwrap_or((part.trim_end(), ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        match (line.starts_with([' ', '\t']), headers.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                if let Some((name, value)) = line.split_once(':') {
                    headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
                }
            }
        }
    }
    (headers, body)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

fn quoted_printable(text: &str, underscores: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let source = text.as_bytes();
    let mut at = 0;
    while at < source.len() {
        match source[at] {
            b'=' if source[at + 1..].starts_with(b"\r\n") => at += 3,
            b'=' => {
                let code = source
                    .get(at + 1..at + 3)
                    .and_then(|hex| std::str::from_utf8(hex).ok())
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(code.unwrap_or(b'='));
                at += if code.is_some() { 3 } else { 1 };
            }
            b'_' if underscores => {
                bytes.push(b' ');
                at += 1;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Encoded words of a header.
fn words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("=?") {
        if !before.trim().is_empty() {
            decoded.push_str(before);
        }
        let mut fields = after.splitn(4, '?');
        let (_, encoding, text, tail) =
            (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(encoding), Some(text), Some(tail)) = (encoding, text, tail) else {
            break;
        };
        let bytes = if encoding.eq_ignore_ascii_case("b") {
            BASE64_STANDARD.decode(text).unwrap_or_default()
        } else {
            quoted_printable(text, true)
        };
        decoded.push_str(&String::from_utf8_lossy(&bytes));
        rest = tail.strip_prefix('=').unwrap_or(tail);
    }
    decoded + rest
}

fn body_of(headers: &[(String, String)], body: &str) -> String {
    let bytes = match header(headers, "content-transfer-encoding")
        .to_lowercase()
        .as_str()
    {
        "base64" => BASE64_STANDARD
            .decode(body.split_whitespace().collect::<String>())
            .unwrap_or_default(),
        "quoted-printable" => quoted_printable(body, false),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes)
        .trim_end_matches("\r\n")
        .replace("\r\n", "\n")
}

/// Reads a whole mail.
pub(super) fn read(raw: &str) -> Shown {
    let (headers, body) = split(raw);
    let mut shown = Shown {
        subject: words(header(&headers, "subject")),
        ..Shown::default()
    };
    let kind = header(&headers, "content-type");
    let boundary = kind
        .split_once("boundary=")
        .map(|(_, rest)| rest.trim_matches('"').split('"').next().unwrap_or_default());
    let Some(boundary) = boundary else {
        shown.text = body_of(&headers, body);
        return shown;
    };
    for part in body.split(&format!("--{boundary}")).skip(1) {
        let (headers, body) = split(part.trim_start_matches("\r\n"));
        match header(&headers, "content-type") {
            kind if kind.starts_with("text/plain") => shown.text = body_of(&headers, body),
            kind if kind.starts_with("text/html") => shown.html = Some(body_of(&headers, body)),
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_parts_are_read() {
        let raw = "Subject: =?utf-8?b?2LPZhNin2YU=?= =?utf-8?q?_a?=\r\nContent-Type: multipart/alternative;\r\n boundary=\"x\"\r\n\r\n\
                   --x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A9=\r\nb\r\n\
                   --x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n--x--\r\n";
        let shown = read(raw);
        assert_eq!(shown.subject, "سلام a");
        assert_eq!(shown.text, "aéb");
        assert_eq!(shown.html.as_deref(), Some("<b>"));
    }
}
