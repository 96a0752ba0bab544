//! A whole HTTP answer and what may be demanded of it; a demand that fails names the call and both
//! sides.

use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `POST /api/auth/otp/request/`.
    pub call: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
    /// The body as JSON, or null.
    pub json: Value,
}

impl Answer {
    /// The status must be this one.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "{} answered {} where {status} was expected: {}",
            self.call,
            self.status,
            self.short()
        );
        Ok(self)
    }

    /// Every key must be there (dots go deeper).
    pub fn keys(self, keys: &[&str]) -> Result<Self> {
        let missing: Vec<&str> = keys
            .iter()
            .copied()
            .filter(|key| self.at(key).is_none())
            .collect();
        ensure!(
            missing.is_empty(),
            "{} lacks {}: {}",
            self.call,
            missing.join(", "),
            self.short()
        );
        Ok(self)
    }

    /// The value at `path` must be exactly this.
    pub fn is(self, path: &str, wanted: impl Into<Value>) -> Result<Self> {
        let wanted = wanted.into();
        let found = self.at(path).cloned().unwrap_or(Value::Null);
        ensure!(
            found == wanted,
            "{}: `{path}` is {found} where {wanted} was expected: {}",
            self.call,
            self.short()
        );
        Ok(self)
    }

    /// The text at `path` must be this literal; zero-width non-joiners do not count, because the
    /// replaced systems were not consistent about them.
    pub fn says(self, path: &str, literal: &str) -> Result<Self> {
        let plain = |text: &str| text.replace('\u{200c}', "");
        let found = self.text(path)?;
        ensure!(
            plain(&found) == plain(literal),
            "{}: `{path}` says `{found}` where `{literal}` was expected",
            self.call
        );
        Ok(self)
    }

    /// The header must have this value.
    pub fn header_is(self, name: &str, wanted: &str) -> Result<Self> {
        let found = self.header(name);
        ensure!(
            found == wanted,
            "{}: the header {name} is `{found}` where `{wanted}` was expected",
            self.call
        );
        Ok(self)
    }

    /// A header as text, empty when absent.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }

    /// The value at a dotted path; numbers index lists.
    pub fn at(&self, path: &str) -> Option<&Value> {
        find(&self.json, path)
    }

    /// The text at `path`.
    pub fn text(&self, path: &str) -> Result<String> {
        match self.at(path).and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => bail!("{}: `{path}` is no text: {}", self.call, self.short()),
        }
    }

    /// The whole number at `path`.
    pub fn int(&self, path: &str) -> Result<i64> {
        match self.at(path).and_then(Value::as_i64) {
            Some(number) => Ok(number),
            None => bail!(
                "{}: `{path}` is no whole number: {}",
                self.call,
                self.short()
            ),
        }
    }

    /// The list at `path`; an empty path is the body itself.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        match self.at(path).and_then(Value::as_array) {
            Some(list) => Ok(list.clone()),
            None => bail!("{}: `{path}` is no list: {}", self.call, self.short()),
        }
    }

    /// The body, short enough for one message.
    pub fn short(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut short: String = text.chars().take(600).collect();
        if short.len() < text.len() {
            let _ = write!(short, "… ({} bytes)", text.len());
        }
        if short.is_empty() {
            "(no body)".clone_into(&mut short);
        }
        short
    }
}

/// The value at a dotted path of a JSON value.
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(value, |value, part| match part.parse::<usize>() {
            Ok(index) if value.is_array() => value.get(index),
            _ => value.get(part),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer {
            call: "GET /x/".to_owned(),
            status,
            headers: reqwest::header::HeaderMap::new(),
            body: json.to_string().into_bytes(),
            json,
        }
    }

    #[test]
    fn a_mismatch_names_the_call_and_both_sides() {
        let error = answer(500, json!({"detail": "no"}))
            .expect(200)
            .unwrap_err();
        assert!(error.to_string().contains("GET /x/ answered 500 where 200"));
        let error = answer(200, json!({"a": {"b": 1}}))
            .is("a.b", 2)
            .unwrap_err();
        assert!(error.to_string().contains("`a.b` is 1 where 2"));
        let error = answer(200, json!({"a": 1})).keys(&["a", "b"]).unwrap_err();
        assert!(error.to_string().contains("lacks b"));
    }

    #[test]
    fn literals_are_compared_without_zero_width_non_joiners() {
        let found = answer(200, json!({"message": "نمی\u{200c}شود"}));
        assert!(found.clone().says("message", "نمیشود").is_ok());
        assert!(found.says("message", "می شود").is_err());
    }

    #[test]
    fn paths_go_through_lists() {
        let value = json!({"results": [{"id": 7}]});
        assert_eq!(find(&value, "results.0.id"), Some(&json!(7)));
        assert_eq!(find(&value, "results.1.id"), None);
    }
}
