//! What vendors post to us: their receipts and what receivers wrote. Reading them is pure.

use serde_json::Value;

use crate::providers::{Adapter, Receipt, kavenegar, orange, twilio};

/// A posted receipt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) provider_message_id: String,
    pub(crate) receipt: Receipt,
}

/// A text from a receiver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inbound {
    pub(crate) id: Option<String>,
    pub(crate) from: String,
    pub(crate) text: String,
}

/// What was posted: query and form fields, and the JSON document if it was one.
pub(crate) struct Given {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) document: Value,
}

impl Given {
    fn field(&self, name: &str) -> Option<String> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .or_else(|| text(&self.document[name]))
            .filter(|value| !value.is_empty())
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads a receipt; `None` when it is not one of this vendor's (providers.md 1.11, 8.5, 8.6). A generic HTTP provider posts
/// `id` and `status` (`delivered`, `failed`, anything else).
pub(crate) fn receipt(adapter: Adapter, given: &Given) -> Option<Posted> {
    let (id, receipt) = match adapter {
        Adapter::Kavenegar => (
            given.field("messageid")?,
            kavenegar::receipt(given.field("status")?.parse().ok()?),
        ),
        Adapter::Twilio => (
            given.field("MessageSid")?,
            twilio::receipt(&given.field("MessageStatus")?),
        ),
        Adapter::Orange => {
            let notice = &given.document["deliveryInfoNotification"];
            (
                text(&notice["callbackData"])?,
                orange::receipt(notice["deliveryInfo"]["deliveryStatus"].as_str()?),
            )
        }
        Adapter::HttpSms => (
            given.field("id")?,
            match given.field("status")?.as_str() {
                "delivered" => Receipt::Delivered,
                "failed" => Receipt::Failed,
                _ => Receipt::Pending,
            },
        ),
        _ => return None,
    };
    Some(Posted {
        provider_message_id: id,
        receipt,
    })
}

/// Reads a text from a receiver; `None` when it is not one of this vendor's.
pub(crate) fn inbound(adapter: Adapter, given: &Given) -> Option<Inbound> {
    match adapter {
        Adapter::Kavenegar => Some(Inbound {
            id: given.field("messageid"),
            from: given.field("from")?,
            text: given.field("message").unwrap_or_default(),
        }),
        Adapter::Twilio => Some(Inbound {
            id: given.field("MessageSid"),
            from: given.field("From")?,
            text: given.field("Body").unwrap_or_default(),
        }),
        Adapter::Orange => {
            let message = &given.document["inboundSMSMessageNotification"]["inboundSMSMessage"];
            let from = message["senderAddress"].as_str()?;
            Some(Inbound {
                id: text(&message["messageId"]),
                from: from.strip_prefix("tel:").unwrap_or(from).to_owned(),
                text: text(&message["message"]).unwrap_or_default(),
            })
        }
        Adapter::HttpSms => Some(Inbound {
            id: given.field("id"),
            from: given.field("from")?,
            text: given.field("text").unwrap_or_default(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Given {
        Given {
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            document: Value::Null,
        }
    }

    fn document(document: Value) -> Given {
        Given {
            fields: Vec::new(),
            document,
        }
    }

    #[test]
    fn each_vendor_is_read_in_its_own_words() {
        let read = |adapter, given: Given| {
            receipt(adapter, &given).map(|posted| (posted.provider_message_id, posted.receipt))
        };
        assert_eq!(
            read(
                Adapter::Kavenegar,
                fields(&[("messageid", "8792343"), ("status", "10")])
            ),
            Some(("8792343".to_owned(), Receipt::Delivered))
        );
        assert_eq!(
            read(
                Adapter::Kavenegar,
                fields(&[("messageid", "8792343"), ("status", "14")])
            ),
            Some(("8792343".to_owned(), Receipt::Failed))
        );
        assert_eq!(
            read(
                Adapter::Twilio,
                fields(&[("MessageSid", "SM1"), ("MessageStatus", "undelivered")])
            ),
            Some(("SM1".to_owned(), Receipt::Failed))
        );
        let notice = json!({"deliveryInfoNotification": {"callbackData": "o-1",
            "deliveryInfo": {"address": "tel:+221771234567", "deliveryStatus": "DeliveredToTerminal"}}});
        assert_eq!(
            read(Adapter::Orange, document(notice)),
            Some(("o-1".to_owned(), Receipt::Delivered))
        );
        assert_eq!(
            read(
                Adapter::HttpSms,
                document(json!({"id": 7, "status": "failed"}))
            ),
            Some(("7".to_owned(), Receipt::Failed))
        );
        assert_eq!(read(Adapter::Kavenegar, fields(&[("status", "10")])), None);
        assert_eq!(
            read(
                Adapter::Parsian,
                fields(&[("messageid", "1"), ("status", "10")])
            ),
            None
        );
    }

    #[test]
    fn words_of_receivers_are_read() {
        let read = |adapter, given: Given| {
            inbound(adapter, &given).map(|inbound| (inbound.from, inbound.text))
        };
        assert_eq!(
            read(
                Adapter::Kavenegar,
                fields(&[
                    ("messageid", "1"),
                    ("from", "09121234567"),
                    ("message", "لغو11")
                ])
            ),
            Some(("09121234567".to_owned(), "لغو11".to_owned()))
        );
        let orange = json!({"inboundSMSMessageNotification": {"inboundSMSMessage":
            {"senderAddress": "tel:+221771234567", "message": "STOP", "dateTime": "2026-01-01T00:00:00Z"}}});
        assert_eq!(
            read(Adapter::Orange, document(orange)),
            Some(("+221771234567".to_owned(), "STOP".to_owned()))
        );
    }
}
