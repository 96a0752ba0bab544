//! Statuses and texts of contents. Pure.

use std::{fmt::Write as _, str::FromStr};

use crate::content::GenerateRequest;

/// Where a content stands (C03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Draft,
    InProgress,
    Review,
    Approved,
    Rejected,
}

impl Status {
    /// Every status as it stands on the wire and in the database.
    pub(crate) const NAMES: &'static [&'static str] =
        &["draft", "in_progress", "review", "approved", "rejected"];

    /// The status as it stands on the wire and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InProgress => "in_progress",
            Self::Review => "review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// The text names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown status")]
pub(crate) struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text {
            "draft" => Ok(Self::Draft),
            "in_progress" => Ok(Self::InProgress),
            "review" => Ok(Self::Review),
            "approved" => Ok(Self::Approved),
            "rejected" => Ok(Self::Rejected),
            _ => Err(UnknownStatus),
        }
    }
}

/// The status after a PATCH (decisions.md 30): a request moves only between draft and review; a change of the text reopens an
/// approved or rejected content as a draft first. `None` when the move is not allowed.
pub(crate) fn after_edit(now: Status, asked: Option<Status>, changes_text: bool) -> Option<Status> {
    let reopened = match now {
        Status::Approved | Status::Rejected if changes_text => Status::Draft,
        other => other,
    };
    match (reopened, asked) {
        (Status::InProgress, _) => None,
        (status, None) => Some(status),
        (status, Some(asked)) if status == asked => Some(status),
        (Status::Draft | Status::Review, Some(asked @ (Status::Draft | Status::Review))) => {
            Some(asked)
        }
        _ => None,
    }
}

/// Words of a text: runs between white space, as the replaced system counted.
pub(crate) fn word_count(text: &str) -> i32 {
    i32::try_from(text.split_whitespace().count()).unwrap_or(i32::MAX)
}

/// What the AI is asked for: the filled prompt (or topic, or title), then the wishes of the request.
pub(crate) fn compose(
    request: &GenerateRequest,
    title: &str,
    filled_prompt: Option<&str>,
    body: &str,
) -> String {
    let task = match request.kind.as_str() {
        "outline" => "Write an outline.",
        "rewrite" => "Rewrite the text below.",
        "caption" => "Write a short caption.",
        _ => "Write the full text.",
    };
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{}",
        filled_prompt.or(request.topic.as_deref()).unwrap_or(title)
    );
    let _ = writeln!(out, "\n{task}\nTitle: {title}");
    if let (Some(topic), Some(_)) = (&request.topic, filled_prompt) {
        let _ = writeln!(out, "Topic: {topic}");
    }
    let _ = writeln!(
        out,
        "Tone: {}\nAudience: {}",
        request.tone(),
        request.audience()
    );
    if let Some(keywords) = request.keywords.as_deref().filter(|k| !k.trim().is_empty()) {
        let _ = writeln!(out, "Keywords: {keywords}");
    }
    let _ = write!(out, "Length: at least {} words", request.min_words());
    if let Some(max) = request.max_words {
        let _ = write!(out, ", at most {max} words");
    }
    out.push('\n');
    if let Some(more) = request
        .additional_instructions
        .as_deref()
        .filter(|m| !m.trim().is_empty())
    {
        let _ = writeln!(out, "{more}");
    }
    if request.kind == "rewrite" {
        let _ = writeln!(out, "\n{body}");
    }
    out
}

/// Tokens the answer may have: Persian needs about three a word.
pub(crate) fn max_tokens(request: &GenerateRequest) -> i32 {
    let words = request
        .max_words
        .unwrap_or_else(|| request.min_words().saturating_mul(2));
    i32::try_from(words.saturating_mul(3).clamp(256, 4000)).unwrap_or(4000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Status::Draft, Some(Status::Review), false, Some(Status::Review))]
    #[case(Status::Review, Some(Status::Draft), false, Some(Status::Draft))]
    #[case(Status::Draft, Some(Status::Approved), false, None)]
    #[case(Status::Review, Some(Status::Approved), true, None)]
    #[case(Status::Approved, Some(Status::Review), false, None)]
    #[case(Status::Approved, None, true, Some(Status::Draft))]
    #[case(Status::Rejected, Some(Status::Review), true, Some(Status::Review))]
    #[case(Status::Rejected, Some(Status::Review), false, None)]
    #[case(Status::Approved, None, false, Some(Status::Approved))]
    #[case(Status::InProgress, None, true, None)]
    #[case(Status::Draft, Some(Status::InProgress), false, None)]
    fn c03_edits_move_only_between_draft_and_review(
        #[case] now: Status,
        #[case] asked: Option<Status>,
        #[case] text: bool,
        #[case] after: Option<Status>,
    ) {
        assert_eq!(after_edit(now, asked, text), after);
    }

    #[test]
    fn c03_words_are_counted_between_white_space() {
        assert_eq!(word_count(""), 0);
        assert_eq!(word_count("  سلام می\u{200c}روم\n خانه "), 3);
    }

    #[test]
    fn every_name_is_a_status() {
        for name in Status::NAMES {
            assert_eq!(name.parse::<Status>().unwrap().as_str(), *name);
        }
    }

    #[test]
    fn a_rewrite_carries_the_text_and_a_draft_does_not() {
        let mut request = GenerateRequest {
            kind: "rewrite".into(),
            ..GenerateRequest::default()
        };
        assert!(compose(&request, "t", None, "BODY").contains("BODY"));
        request.kind = "draft".into();
        let text = compose(&request, "t", Some("filled"), "BODY");
        assert!(
            text.starts_with("filled\n")
                && !text.contains("BODY")
                && text.contains("Tone: professional")
        );
        assert_eq!(max_tokens(&request), 3000);
    }
}
