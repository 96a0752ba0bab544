//! Puts variables into what a case sends and wants.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rand::RngExt;
use serde_json::Value;

/// The variables of one case.
#[derive(Default)]
pub(crate) struct Variables(BTreeMap<String, Value>);

impl Variables {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// A phone number of nobody, as `name` (`0912…`) and `name.e164`.
    pub(crate) fn fresh_phone(&mut self, name: &str) {
        let mut random = rand::rng();
        // Different blocks of ten thousand numbers: each has a budget of codes.
        let network = [13, 14, 15, 16, 17, 19, 30, 33, 35, 36, 37, 38][random.random_range(0..12)];
        let rest: u32 = random.random_range(0..10_000_000);
        let digits = format!("{network}{rest:07}");
        self.set(name, format!("09{digits}"));
        self.set(format!("{name}.e164"), format!("+989{digits}"));
    }

    /// The text with `${name}` replaced. `${uuid}` is a new one each time, `${wrong:name}` the digits of a variable each
    /// raised by one, `${number:from..to}` a random number.
    pub(crate) fn text(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let end = rest[start..]
                .find('}')
                .with_context(|| format!("`{text}` does not close a variable"))?
                + start;
            out.push_str(&plain(&self.value(&rest[start + 2..end])?));
            rest = &rest[end + 1..];
        }
        Ok(out + rest)
    }

    /// A JSON value with its texts filled; a text that is one variable alone becomes its value, number or not.
    pub(crate) fn json(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => match whole(text) {
                Some(name) => self.value(name)?,
                None => Value::String(self.text(text)?),
            },
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.json(item))
                    .collect::<Result<_>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| Ok((self.text(name)?, self.json(value)?)))
                    .collect::<Result<_>>()?,
            ),
            other => other.clone(),
        })
    }

    fn value(&self, name: &str) -> Result<Value> {
        if name == "uuid" {
            return Ok(Value::String(uuid::Uuid::now_v7().to_string()));
        }
        if name == "now" {
            return Ok(Value::String(chrono::Utc::now().to_rfc3339()));
        }
        if let Some(of) = name.strip_prefix("wrong:") {
            return Ok(Value::String(
                plain(&self.value(of)?).chars().map(raised).collect(),
            ));
        }
        if let Some(length) = name.strip_prefix("long:") {
            return Ok(Value::String("x".repeat(length.parse()?)));
        }
        match self.0.get(name) {
            Some(value) => Ok(value.clone()),
            None => bail!("there is no variable `{name}`"),
        }
    }
}

/// The name when the text is `${name}` and nothing else.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (!name.contains('}')).then_some(name)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn raised(digit: char) -> char {
    match digit.to_digit(10) {
        Some(value) => char::from_digit((value + 1) % 10, 10).unwrap_or(digit),
        None => digit,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_keeps_its_kind_when_it_stands_alone() {
        let mut variables = Variables::default();
        variables.set("id", 7);
        variables.set("code", "109");
        assert_eq!(
            variables
                .json(&json!({"a": "${id}", "b": ["x${id}"], "c": "${wrong:code}"}))
                .unwrap(),
            json!({"a": 7, "b": ["x7"], "c": "210"})
        );
        assert!(variables.text("${none}").is_err());
        assert!(variables.text("${id").is_err());
    }

    #[test]
    fn a_fresh_phone_has_both_spellings() {
        let mut variables = Variables::default();
        variables.fresh_phone("p");
        let local = variables.text("${p}").unwrap();
        assert_eq!(local.len(), 11);
        assert_eq!(
            variables.text("${p.e164}").unwrap(),
            format!("+98{}", &local[1..])
        );
    }
}
