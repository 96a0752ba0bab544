//! The layers as trees: parsing, setting a path, merging, looking a path up.

use crate::ConfigError;
use config::{FileFormat, Format as _, Map, Value, ValueKind};

pub(crate) type Tree = Map<String, Value>;

/// Parses one TOML layer; `origin` names it in errors.
pub(crate) fn parse(origin: &str, text: &str) -> Result<Tree, ConfigError> {
    FileFormat::Toml
        .parse(Some(&origin.to_owned()), text)
        .map_err(|_| ConfigError::Syntax {
            origin: origin.to_owned(),
            line: toml::from_str::<toml::Table>(text)
                .err()
                .and_then(|e| e.span())
                .map_or(0, |span| {
                    text[..span.start.min(text.len())].matches('\n').count() + 1
                }),
        })
}

/// Sets `path` to `value`, making the tables on the way.
pub(crate) fn set(tree: &mut Tree, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        tree.insert(first.clone(), value);
        return;
    }
    let entry = tree
        .entry(first.clone())
        .or_insert_with(|| Value::new(value.origin().map(str::to_owned).as_ref(), Tree::new()));
    if !matches!(entry.kind, ValueKind::Table(_)) {
        entry.kind = ValueKind::Table(Tree::new());
    }
    if let ValueKind::Table(inner) = &mut entry.kind {
        set(inner, rest, value);
    }
}

/// Lays `upper` over `lower`: tables merge, everything else is replaced.
pub(crate) fn merge(lower: &mut Tree, upper: Tree) {
    for (key, value) in upper {
        if let ValueKind::Table(above) = &value.kind
            && let Some(ValueKind::Table(below)) = lower.get_mut(&key).map(|v| &mut v.kind)
        {
            merge(below, above.clone());
        } else {
            lower.insert(key, value);
        }
    }
}

/// The value at `path`.
pub(crate) fn find<'t>(tree: &'t Tree, path: &[String]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    let value = tree.get(first)?;
    match (&value.kind, rest) {
        (_, []) => Some(value),
        (ValueKind::Table(inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// The value of an environment variable: lists and tables may be written as TOML or JSON; where the layer below has a
/// list, commas separate its items; everything else stays text and is converted by the type that reads it.
pub(crate) fn env_value(origin: &str, text: &str, below: Option<&Value>) -> Value {
    let origin = Some(origin.to_owned());
    if text.starts_with(['[', '{'])
        && let Ok(mut table) = FileFormat::Toml.parse(origin.as_ref(), &format!("v = {text}"))
        && let Some(value) = table.remove("v")
    {
        return value;
    }
    if matches!(below.map(|v| &v.kind), Some(ValueKind::Array(_))) {
        let items: Vec<Value> = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Value::new(origin.as_ref(), item.to_owned()))
            .collect();
        return Value::new(origin.as_ref(), items);
    }
    Value::new(origin.as_ref(), text.to_owned())
}

pub(crate) fn split(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}
