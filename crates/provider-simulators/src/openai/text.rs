//! What the simulated models say, and how they count.

use serde_json::Value;

use super::AiBehaviour;

/// The last thing that the user said, out of OpenAI's or Anthropic's messages.
fn question(messages: &Value) -> String {
    let last = messages
        .as_array()
        .and_then(|all| all.iter().rev().find(|message| message["role"] == "user"));
    match last.map(|message| &message["content"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    }
}

/// The answer, and whether it was cut at `max_tokens` words.
pub(crate) fn reply(
    behaviour: &AiBehaviour,
    messages: &Value,
    max_tokens: Option<u64>,
) -> (String, bool) {
    let whole = behaviour
        .reply
        .clone()
        .unwrap_or_else(|| format!("You said: {}", question(messages)));
    let most = usize::try_from(max_tokens.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let words: Vec<&str> = whole.split_inclusive(' ').collect();
    if words.len() <= most {
        return (whole, false);
    }
    (words[..most].concat(), true)
}

/// A word is a token here.
pub(crate) fn count(text: &str) -> usize {
    text.split_whitespace().count().max(1)
}

/// Tokens of all messages.
pub(crate) fn count_messages(messages: &Value) -> usize {
    messages.as_array().map_or(1, |all| {
        all.iter()
            .map(|message| count(&message["content"].to_string()))
            .sum()
    })
}

/// The parts in which a stream hands a text over.
pub(crate) fn parts(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}
