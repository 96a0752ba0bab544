//! Content, schedule and masks: pure.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use common_types::{
    PhoneNumber,
    internal::integrations::{Channel, MessagePurpose},
};
use serde::{Deserialize, Serialize};

/// What is sealed in the row.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) to: String,
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    /// Logical template key with its values.
    pub(crate) template: Option<(String, BTreeMap<String, String>)>,
}

impl Content {
    /// The same for a provider that can only use its own template.
    pub(crate) fn without_text(&self) -> Self {
        Self {
            text: String::new(),
            ..self.clone()
        }
    }
}

/// A code that is older than this is of no use to anybody.
pub(crate) const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(3);
/// Seconds after which a message that a dead process was sending is taken over.
pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Pause before the next try of a queued message: 5 s, 15 s, 45 s … at most 30 minutes.
pub(crate) fn retry_pause(attempts: i32) -> TimeDelta {
    let steps = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(6);
    TimeDelta::seconds((5 * 3_i64.pow(steps)).min(1_800))
}

/// Pause before a taken message's receipt is asked for (again), by its age: at first soon, then rarely; `None` after 48 h,
/// when providers forget.
pub(crate) fn receipt_pause(age: TimeDelta) -> Option<TimeDelta> {
    match age.num_seconds() {
        i64::MIN..60 => Some(TimeDelta::seconds(10)),
        60..3_600 => Some(TimeDelta::minutes(5)),
        3_600..172_800 => Some(TimeDelta::hours(1)),
        _ => None,
    }
}

/// When a queued message is given up, counted from its creation.
pub(crate) fn lifetime(purpose: MessagePurpose, give_up_hours: i64) -> TimeDelta {
    match purpose {
        MessagePurpose::Otp => CODE_LIFETIME,
        MessagePurpose::Credentials | MessagePurpose::Notification => {
            TimeDelta::hours(give_up_hours)
        }
    }
}

/// A recipient that may be shown in logs.
pub(crate) fn masked(channel: Channel, to: &str) -> String {
    match channel {
        Channel::Sms | Channel::Voice => {
            PhoneNumber::parse(to).map_or_else(|_| "***".to_owned(), |phone| phone.masked())
        }
        Channel::Email => match to.split_once('@') {
            Some((name, domain)) => format!("{}***@{domain}", name.chars().next().unwrap_or('*')),
            None => "***".to_owned(),
        },
    }
}

/// Fills `%token…` in a template's text, in one pass: a value that looks like a placeholder stays what it is.
pub(crate) fn render(text: &str, tokens: &BTreeMap<String, String>) -> String {
    // Longest names first: `%token` begins all others.
    let mut names: Vec<&String> = tokens.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        rendered.push_str(before);
        match names.iter().find(|name| after.starts_with(name.as_str())) {
            Some(name) => {
                rendered.push_str(&tokens[*name]);
                rest = &after[name.len()..];
            }
            None => {
                rendered.push('%');
                rest = after;
            }
        }
    }
    rendered + rest
}

/// For how long a taken message may go to the next provider when it is not delivered, counted from its creation.
pub(crate) fn failover_window(purpose: MessagePurpose, minutes: i64) -> TimeDelta {
    match purpose {
        MessagePurpose::Otp => CODE_LIFETIME,
        MessagePurpose::Credentials | MessagePurpose::Notification => TimeDelta::minutes(minutes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<i64> = (1..=8)
            .map(|attempt| retry_pause(attempt).num_seconds())
            .collect();
        assert_eq!(pauses, [5, 15, 45, 135, 405, 1_215, 1_800, 1_800]);
        assert_eq!(
            receipt_pause(TimeDelta::seconds(5)),
            Some(TimeDelta::seconds(10))
        );
        assert_eq!(receipt_pause(TimeDelta::hours(49)), None);
    }

    #[test]
    fn recipients_are_masked() {
        assert_eq!(masked(Channel::Sms, "09121234567"), "+98912***4567");
        assert_eq!(
            masked(Channel::Email, "sara@example.com"),
            "s***@example.com"
        );
        assert_eq!(masked(Channel::Sms, "nonsense"), "***");
    }

    #[test]
    fn longer_placeholders_are_filled_first() {
        let tokens = BTreeMap::from([
            ("token".to_owned(), "1".to_owned()),
            ("token2".to_owned(), "2".to_owned()),
        ]);
        assert_eq!(render("%token2-%token", &tokens), "2-1");
        assert_eq!(render("100% %other %token", &tokens), "100% %other 1");
        let tokens = BTreeMap::from([
            ("token".to_owned(), "1".to_owned()),
            ("token2".to_owned(), "%token".to_owned()),
        ]);
        assert_eq!(
            render("%token2", &tokens),
            "%token",
            "a value is no template"
        );
    }
}
