//! Files sent in rooms (wire.md 4.4): sealed at rest, typed by their content, handed out to members
//! of their room only.

pub(crate) mod http;
mod store;

use uuid::Uuid;

use crate::AppState;

/// Where a file is fetched, relative to the platform.
pub(crate) fn relative_url(id: Uuid, name: &str) -> String {
    let name: String = url_safe(name);
    format!("/media/uploads/chat_files/{id}/{name}")
}

/// Where a file is fetched, with the platform's public address.
pub(crate) fn absolute_url(state: &AppState, id: Uuid, name: &str) -> String {
    let base = state
        .stack
        .origins
        .first()
        .map_or("", |url| url.as_str().trim_end_matches('/'));
    format!("{base}{}", relative_url(id, name))
}

/// The name with everything but letters, digits, dot, dash and underscore of ASCII replaced.
fn url_safe(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// A file name that is safe to show and to offer for saving: the last segment, no control
/// characters, at most 100 characters.
pub(crate) fn clean_name(given: Option<&str>, extension: &str) -> String {
    let last = given
        .unwrap_or_default()
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    let kept: String = last
        .chars()
        .filter(|c| !c.is_control() && !"\"<>|:*?\u{202e}".contains(*c))
        .take(100)
        .collect();
    let kept = kept.trim().trim_start_matches('.');
    if kept.is_empty() {
        format!("file.{extension}")
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_harmless() {
        assert_eq!(clean_name(Some("../../etc/passwd"), "pdf"), "passwd");
        assert_eq!(clean_name(Some("..\\a\r\nb.pdf"), "pdf"), "ab.pdf");
        assert_eq!(clean_name(Some("...."), "pdf"), "file.pdf");
        assert_eq!(clean_name(None, "png"), "file.png");
        assert_eq!(clean_name(Some("آزمایش.pdf"), "pdf"), "آزمایش.pdf");
        assert_eq!(
            relative_url(Uuid::nil(), "a b.pdf"),
            format!("/media/uploads/chat_files/{}/a_b.pdf", Uuid::nil())
        );
    }
}
