//! Who does not want texts: STOP puts a number on the list, START takes it off. Codes and keys go out all the same.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use common_types::internal::integrations::{Channel, MessagePurpose};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::schema::sms_opt_outs;

/// Error code of a text that its receiver does not want.
pub(crate) const CODE: &str = "recipient.opted_out";

/// Whether the list counts for such a message.
pub(crate) fn respects(channel: Channel, purpose: MessagePurpose) -> bool {
    channel == Channel::Sms && purpose == MessagePurpose::Notification
}

/// Those of `phones` (E.164) who are on the list.
pub(crate) async fn among(
    conn: &mut AsyncPgConnection,
    phones: &[String],
) -> QueryResult<HashSet<String>> {
    let listed: Vec<String> = sms_opt_outs::table
        .filter(sms_opt_outs::phone.eq_any(phones))
        .select(sms_opt_outs::phone)
        .load(conn)
        .await?;
    Ok(listed.into_iter().collect())
}

/// Puts a number on the list.
pub(crate) async fn add(
    conn: &mut AsyncPgConnection,
    phone: &str,
    source: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(sms_opt_outs::table)
        .values((
            sms_opt_outs::phone.eq(phone),
            sms_opt_outs::source.eq(source),
            sms_opt_outs::opted_out_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}

/// Takes a number off the list.
pub(crate) async fn remove(conn: &mut AsyncPgConnection, phone: &str) -> QueryResult<usize> {
    diesel::delete(sms_opt_outs::table.find(phone))
        .execute(conn)
        .await
}

/// What a receiver's word asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Stop,
    Start,
    Help,
    Other,
}

impl Word {
    /// As stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Help => "help",
            Self::Other => "other",
        }
    }

    /// The words of the networks: English, French, and «لغو», «لغو11» or a bare 11 in Iran.
    pub(crate) fn read(text: &str) -> Self {
        let ascii = common_types::digits::to_ascii(text.trim());
        let word: String = ascii
            .trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation())
            .to_lowercase();
        match word.as_str() {
            "stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" | "arret" | "arrêt"
            | "لغو" | "لغو11" | "لغو 11" | "11" | "انصراف" => Self::Stop,
            "start" | "unstop" | "yes" | "oui" | "شروع" | "عضویت" => Self::Start,
            "help" | "info" | "aide" | "راهنما" | "کمک" => Self::Help,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_three_languages() {
        for stop in [
            "STOP",
            " stop. ",
            "Arrêt",
            "لغو۱۱",
            "لغو",
            "۱۱",
            "Unsubscribe!",
        ] {
            assert_eq!(Word::read(stop), Word::Stop, "{stop}");
        }
        for start in ["Start", "شروع", "oui"] {
            assert_eq!(Word::read(start), Word::Start, "{start}");
        }
        assert_eq!(Word::read("HELP"), Word::Help);
        for other in ["", "stop it please", "سلام", "111"] {
            assert_eq!(Word::read(other), Word::Other, "{other}");
        }
    }

    #[test]
    fn urgent_texts_do_not_ask_the_list() {
        assert!(respects(Channel::Sms, MessagePurpose::Notification));
        assert!(!respects(Channel::Sms, MessagePurpose::Otp));
        assert!(!respects(Channel::Sms, MessagePurpose::Credentials));
        assert!(!respects(Channel::Email, MessagePurpose::Notification));
    }
}
