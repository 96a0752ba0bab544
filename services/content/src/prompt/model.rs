//! Filling a template. Pure.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

/// The categories of the bare tree and those of the frontend (decisions.md 30).
pub(crate) const CATEGORIES: &[&str] = &[
    "blog",
    "social",
    "ecommerce",
    "email",
    "ad",
    "other",
    "marketing",
    "seo",
];

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\s*([\p{L}_][\p{L}\p{N}\p{M}_]*)\s*\}").expect("a constant expression")
});

/// The names in a template, each once, in order.
pub(crate) fn placeholders(template: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for found in PLACEHOLDER.captures_iter(template) {
        let name = found.get(1).map_or("", |name| name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The template with its placeholders replaced by `values`; a value is never searched for placeholders itself.
///
/// # Errors
/// The names that have no value.
pub(crate) fn render(template: &str, values: &Map<String, Value>) -> Result<String, Vec<String>> {
    let missing: Vec<String> = placeholders(template)
        .into_iter()
        .filter(|name| text_of(values.get(*name)).is_none())
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let filled = PLACEHOLDER.replace_all(template, |found: &regex::Captures<'_>| {
        text_of(values.get(&found[1])).unwrap_or_default()
    });
    Ok(filled.into_owned())
}

fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| text_of(Some(item))).collect();
            texts.map(|texts| texts.join("، "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn placeholders_are_found_once_in_any_script() {
        assert_eq!(
            placeholders("{topic} و {موضوع} { topic } {1x} {}"),
            ["topic", "موضوع"]
        );
    }

    #[test]
    fn values_fill_their_places() {
        let filled = render(
            "دربارهٔ {topic} در {n} بند: {tags}",
            &values(json!({"topic": "خواب", "n": 3, "tags": ["a", "b"], "x": 1})),
        );
        assert_eq!(filled.unwrap(), "دربارهٔ خواب در 3 بند: a، b");
    }

    #[test]
    fn a_missing_value_is_named() {
        let missing = render("{a} {b} {c}", &values(json!({"a": "x", "c": null}))).unwrap_err();
        assert_eq!(missing, ["b", "c"]);
    }

    #[test]
    fn a_value_cannot_bring_a_placeholder() {
        let filled = render("{a}{b}", &values(json!({"a": "{b}", "b": "$1"}))).unwrap();
        assert_eq!(filled, "{b}$1");
    }

    proptest! {
        #[test]
        fn text_without_braces_is_untouched(text in "[^{}]*") {
            prop_assert_eq!(render(&text, &Map::new()).unwrap(), text);
        }
    }
}
