//! Compares an answer with what a case wants and says every difference with its place.
//!
//! | wanted | matches |
//! |---|---|
//! | an object | an object with exactly these members; `...: true` allows more, `name?` may be missing |
//! | a list | these elements in this order; `"..."` at its end allows more |
//! | `{<each>: W}`, `{<some>: W}` | a list whose every, or at least one, element is `W` |
//! | `<any>` `<text>` `<int>` `<number>` `<bool>` `<list>` `<object>` `<uuid>` `<time>` `<date>` `<jwt>` | a value of this kind; with `?` (`<text?>`) or null |
//! | `~ regex` | a text or number that is wholly the regular expression |
//! | any other text, number, boolean, null | itself; zero-width non-joiners do not count |

use chrono::{DateTime, NaiveDate};
use regex::Regex;
use serde_json::Value;

/// What every refusal of the platform carries beside the members of its contract (RFC 9457): clients of the replaced
/// systems do not know it, so a case names only what collides with its contract.
const PROBLEM: [&str; 7] = [
    "type",
    "title",
    "status",
    "detail",
    "code",
    "request_id",
    "errors",
];

/// A refusal without the problem members that the case does not name.
pub fn without_problem(wanted: &Value, found: &Value) -> Value {
    let (Some(wanted), Some(found)) = (wanted.as_object(), found.as_object()) else {
        return found.clone();
    };
    let own = |name: &str| {
        !PROBLEM.contains(&name)
            || wanted.contains_key(name)
            || wanted.contains_key(&format!("{name}?"))
    };
    found
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The differences of `found` from `wanted`, each as `place: found ≠ wanted`; empty when it matches.
pub fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut out = Vec::new();
    compare("body", wanted, found, &mut out);
    out
}

/// Whether a text is as wanted, by the same rules.
pub fn text_matches(wanted: &str, found: &str) -> bool {
    let mut out = Vec::new();
    compare("", &wanted.into(), &found.into(), &mut out);
    out.is_empty()
}

fn compare(place: &str, wanted: &Value, found: &Value, out: &mut Vec<String>) {
    match wanted {
        Value::Object(members) => {
            if let Some(element) = members.get("<each>") {
                each(place, element, found, out);
            } else if let Some(element) = members.get("<some>") {
                some(place, element, found, out);
            } else {
                object(place, members, found, out);
            }
        }
        Value::Array(elements) => list(place, elements, found, out),
        Value::String(text) => {
            if !text_is(text, found) {
                out.push(format!("{place}: {} ≠ {}", short(found), short(wanted)));
            }
        }
        other => {
            if other != found {
                out.push(format!("{place}: {} ≠ {other}", short(found)));
            }
        }
    }
}

fn object(
    place: &str,
    members: &serde_json::Map<String, Value>,
    found: &Value,
    out: &mut Vec<String>,
) {
    let Some(object) = found.as_object() else {
        out.push(format!("{place}: {} is no object", short(found)));
        return;
    };
    let open = members.contains_key("...");
    for (name, wanted) in members.iter().filter(|(name, _)| *name != "...") {
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        match object.get(name) {
            Some(found) => compare(&format!("{place}.{name}"), wanted, found, out),
            None if optional => {}
            None => out.push(format!("{place}.{name}: is missing")),
        }
    }
    if open {
        return;
    }
    for (name, value) in object {
        if !members.contains_key(name) && !members.contains_key(&format!("{name}?")) {
            out.push(format!(
                "{place}.{name}: {} is not of the contract",
                short(value)
            ));
        }
    }
}

fn list(place: &str, elements: &[Value], found: &Value, out: &mut Vec<String>) {
    let Some(items) = found.as_array() else {
        out.push(format!("{place}: {} is no list", short(found)));
        return;
    };
    let (elements, open) = match elements.split_last() {
        Some((last, before)) if last == "..." => (before, true),
        _ => (elements, false),
    };
    if items.len() < elements.len() || (!open && items.len() > elements.len()) {
        out.push(format!(
            "{place}: {} elements ≠ {}",
            items.len(),
            elements.len()
        ));
    }
    for (index, (wanted, found)) in elements.iter().zip(items).enumerate() {
        compare(&format!("{place}.{index}"), wanted, found, out);
    }
}

fn each(place: &str, element: &Value, found: &Value, out: &mut Vec<String>) {
    let Some(items) = found.as_array() else {
        out.push(format!("{place}: {} is no list", short(found)));
        return;
    };
    for (index, found) in items.iter().enumerate() {
        compare(&format!("{place}.{index}"), element, found, out);
    }
}

fn some(place: &str, element: &Value, found: &Value, out: &mut Vec<String>) {
    let Some(items) = found.as_array() else {
        out.push(format!("{place}: {} is no list", short(found)));
        return;
    };
    let matches = |found: &Value| {
        let mut differences = Vec::new();
        compare(place, element, found, &mut differences);
        differences.is_empty()
    };
    if !items.iter().any(matches) {
        out.push(format!(
            "{place}: no element of {} is {}",
            short(found),
            short(element)
        ));
    }
}

fn text_is(wanted: &str, found: &Value) -> bool {
    if let Some(pattern) = wanted.strip_prefix("~ ") {
        let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$")) else {
            return false;
        };
        return match found {
            Value::String(text) => pattern.is_match(&plain(text)),
            Value::Number(number) => pattern.is_match(&number.to_string()),
            _ => false,
        };
    }
    if let Some(kind) = wanted.strip_prefix('<').and_then(|it| it.strip_suffix('>')) {
        return match kind.strip_suffix('?') {
            Some(kind) => found.is_null() || is_kind(kind, found),
            None => is_kind(kind, found),
        };
    }
    found
        .as_str()
        .is_some_and(|text| plain(text) == plain(wanted))
}

fn is_kind(kind: &str, found: &Value) -> bool {
    let text = found.as_str();
    match kind {
        "any" => true,
        "text" => text.is_some(),
        "int" => found.is_i64() || found.is_u64(),
        "number" => found.is_number(),
        "bool" => found.is_boolean(),
        "list" => found.is_array(),
        "object" => found.is_object(),
        "uuid" => text.is_some_and(|text| uuid::Uuid::parse_str(text).is_ok()),
        "time" => text.is_some_and(|text| DateTime::parse_from_rfc3339(text).is_ok()),
        "date" => text.is_some_and(|text| text.parse::<NaiveDate>().is_ok()),
        "jwt" => text.is_some_and(|text| {
            let parts: Vec<&str> = text.split('.').collect();
            parts.len() == 3 && parts.iter().all(|part| part.len() > 10)
        }),
        _ => false,
    }
}

fn plain(text: &str) -> String {
    text.replace('\u{200c}', "")
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 200 {
        return text;
    }
    text.chars().take(200).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_exact_unless_the_case_opens_them() {
        let found = json!({"a": 1, "b": "x"});
        assert!(differences(&json!({"a": 1, "b": "<text>"}), &found).is_empty());
        assert!(differences(&json!({"a": 1, "...": true}), &found).is_empty());
        assert!(differences(&json!({"a": "<int>", "b": "x", "c?": 1}), &found).is_empty());
        assert_eq!(
            differences(&json!({"a": 2, "c": 1}), &found),
            [
                "body.a: 1 ≠ 2",
                "body.c: is missing",
                "body.b: \"x\" is not of the contract"
            ]
        );
    }

    #[test]
    fn a_refusal_may_carry_a_problem_beside_its_contract() {
        let found = json!({"error": "no", "code": "a.b", "status": 400, "more": 1});
        let wanted = json!({"error": "no"});
        assert_eq!(
            differences(&wanted, &without_problem(&wanted, &found)),
            ["body.more: 1 is not of the contract"]
        );
        let wanted = json!({"error": "no", "code": "c", "more": 1});
        assert_eq!(
            differences(&wanted, &without_problem(&wanted, &found)),
            ["body.code: \"a.b\" ≠ \"c\""]
        );
    }

    #[test]
    fn lists_are_exact_in_order_and_length() {
        assert!(differences(&json!([1, 2]), &json!([1, 2])).is_empty());
        assert_eq!(
            differences(&json!([1]), &json!([1, 2])),
            ["body: 2 elements ≠ 1"]
        );
        assert!(differences(&json!([1, "..."]), &json!([1, 2])).is_empty());
        assert!(differences(&json!({"<each>": "<int>"}), &json!([1, 2])).is_empty());
        assert_eq!(
            differences(&json!({"<each>": 1}), &json!([1, 2])),
            ["body.1: 2 ≠ 1"]
        );
        assert!(!differences(&json!({"<some>": 3}), &json!([1, 2])).is_empty());
    }

    #[test]
    fn a_kind_or_an_expression_stands_for_a_value() {
        assert!(text_matches("~ [0-9]+ seconds", "59 seconds"));
        assert!(!text_matches("~ [0-9]+", "59 seconds"));
        assert!(differences(&json!("<text?>"), &json!(null)).is_empty());
        assert!(!differences(&json!("<text>"), &json!(null)).is_empty());
        assert!(!differences(&json!("<nonsense>"), &json!("x")).is_empty());
        assert!(!differences(&json!(null), &json!("x")).is_empty());
        assert!(text_matches("نمیشود", "نمی\u{200c}شود"));
    }
}
