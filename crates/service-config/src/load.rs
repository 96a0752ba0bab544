//! Loading: layers in order, then one deserialisation, then the rules.

use crate::{ConfigError, Sources, Validate, layers};
use config::{Value, ValueKind};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor, value::Error as ProbeError},
    forward_to_deserialize_any,
};

const WELL_KNOWN: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("AMQP_URL", "amqp.url"),
    ("RUST_LOG", "telemetry.filter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("TABIB_ENVIRONMENT", "environment"),
];

/// An environment variable of a replaced system that still works (decisions.md 32).
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The old variable.
    pub env: &'static str,
    /// Dotted path of the key it sets.
    pub path: &'static str,
    /// Old value to new value, such as minutes to seconds; the error is what is expected.
    pub convert: fn(&str) -> Result<String, String>,
}

impl Alias {
    /// The old variable's text as it is.
    #[must_use]
    pub const fn new(env: &'static str, path: &'static str) -> Self {
        Self {
            env,
            path,
            convert: keep,
        }
    }

    /// The old variable's text through `convert`.
    #[must_use]
    pub const fn converted(
        env: &'static str,
        path: &'static str,
        convert: fn(&str) -> Result<String, String>,
    ) -> Self {
        Self { env, path, convert }
    }
}

fn keep(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Loads the settings of `service` (its package name, `auth-otp`).
///
/// # Errors
/// [`ConfigError`], naming the key and where it was set, never a value.
pub fn load<S: DeserializeOwned + Validate>(
    service: &str,
    defaults_toml: &str,
    sources: Sources,
) -> Result<S, ConfigError> {
    load_with_aliases(service, defaults_toml, sources, &[])
}

/// [`load`] with the old names of replaced systems. Of two names for one key, the first in `aliases` wins.
///
/// # Errors
/// As [`load`].
pub fn load_with_aliases<S: DeserializeOwned + Validate>(
    service: &str,
    defaults_toml: &str,
    sources: Sources,
    aliases: &[Alias],
) -> Result<S, ConfigError> {
    let mut tree = layers::parse("the embedded defaults", defaults_toml)?;
    if let Some((origin, text)) = file(&sources)? {
        layers::merge(&mut tree, layers::parse(&origin, &text)?);
    }
    for alias in aliases.iter().rev() {
        if let Some(text) = sources.var(alias.env) {
            let text = (alias.convert)(text).map_err(|reason| ConfigError::Invalid {
                key: alias.path.to_owned(),
                origin: alias.env.to_owned(),
                reason,
            })?;
            put(&mut tree, alias.env, &layers::split(alias.path), &text);
        }
    }
    let fields = top_level_fields::<S>();
    for (name, path) in WELL_KNOWN {
        let path = layers::split(path);
        // A gateway has no database: the variable of the machine must not make its settings unknown.
        if let Some(text) = sources.var(name)
            && fields.contains(&path[0].as_str())
        {
            put(&mut tree, name, &path, text);
        }
    }
    let prefix = env_prefix(service);
    for (name, text) in &sources.env {
        if let Some(rest) = name.strip_prefix(&prefix)
            && !text.is_empty()
        {
            let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
            put(&mut tree, name, &path, text);
        }
    }
    let settings = S::deserialize(Value::new(None, ValueKind::Table(tree.clone())))
        .map_err(|e| explain(&e, &tree, &prefix))?;
    settings.validate().map_err(ConfigError::Rules)?;
    Ok(settings)
}

/// Old names that are set together with different values for one key: a sentence each, for the log at start.
#[must_use]
pub fn alias_conflicts(sources: &Sources, aliases: &[Alias]) -> Vec<String> {
    let mut out = Vec::new();
    for (i, winner) in aliases.iter().enumerate() {
        let Some(value) = sources.var(winner.env) else {
            continue;
        };
        let earlier = aliases[..i]
            .iter()
            .any(|a| a.path == winner.path && sources.var(a.env).is_some());
        if earlier {
            continue;
        }
        for other in aliases[i + 1..].iter().filter(|a| a.path == winner.path) {
            if sources.var(other.env).is_some_and(|v| v != value) {
                out.push(format!(
                    "{} and {} differ; {} is used for `{}`",
                    winner.env, other.env, winner.env, winner.path
                ));
            }
        }
    }
    out
}

fn file(sources: &Sources) -> Result<Option<(String, String)>, ConfigError> {
    if let Some(text) = &sources.file_text {
        return Ok(Some(("the settings file".to_owned(), text.clone())));
    }
    let Some(path) = &sources.file else {
        return Ok(None);
    };
    let shown = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((shown, text))),
        Err(error) => Err(ConfigError::File {
            path: shown,
            reason: error.to_string(),
        }),
    }
}

fn put(tree: &mut layers::Tree, origin: &str, path: &[String], text: &str) {
    let value = layers::env_value(origin, text, layers::find(tree, path));
    layers::set(tree, path, value);
}

fn env_prefix(service: &str) -> String {
    format!("{}__", service.to_ascii_uppercase().replace('-', "_"))
}

/// Turns the deserialiser's error into one that names key and origin and never quotes a value.
fn explain(error: &config::ConfigError, tree: &layers::Tree, prefix: &str) -> ConfigError {
    let (key, inner) = unwrap_path(error);
    let origin_of = |path: &str| {
        layers::find(tree, &layers::split(path))
            .and_then(|v| v.origin().map(str::to_owned))
            .unwrap_or_else(|| "the settings".to_owned())
    };
    match inner {
        config::ConfigError::NotFound(name) => {
            let key = join(&key, name);
            let env = WELL_KNOWN
                .iter()
                .find(|(_, path)| *path == key)
                .map_or_else(
                    || format!("{prefix}{}", key.to_ascii_uppercase().replace('.', "__")),
                    |(name, path)| {
                        format!(
                            "{prefix}{} (or {name})",
                            path.to_ascii_uppercase().replace('.', "__")
                        )
                    },
                );
            ConfigError::Missing { key, env }
        }
        config::ConfigError::Type {
            expected, key: own, ..
        } => {
            let key = if key.is_empty() {
                own.clone().unwrap_or_default()
            } else {
                key
            };
            ConfigError::Invalid {
                origin: origin_of(&key),
                key,
                reason: format!("expected {expected}"),
            }
        }
        other => {
            let text = other.to_string();
            if let Some((name, hint)) = unknown_field(&text) {
                let key = join(&key, name);
                ConfigError::Unknown {
                    origin: origin_of(&key),
                    key,
                    hint: hint.to_owned(),
                }
            } else {
                ConfigError::Invalid {
                    origin: origin_of(&key),
                    key,
                    reason: without_values(&text),
                }
            }
        }
    }
}

fn unwrap_path(error: &config::ConfigError) -> (String, &config::ConfigError) {
    match error {
        config::ConfigError::At { error, key, .. } => {
            let (rest, inner) = unwrap_path(error);
            (join(key.as_deref().unwrap_or_default(), &rest), inner)
        }
        config::ConfigError::Type { key: Some(key), .. } => (key.clone(), error),
        config::ConfigError::NotFound(_) => (String::new(), error),
        other => (String::new(), other),
    }
}

fn join(a: &str, b: &str) -> String {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.to_owned(),
        (_, true) => a.to_owned(),
        _ => format!("{a}.{b}"),
    }
}

fn unknown_field(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("unknown field `")?;
    let (name, rest) = rest.split_once('`')?;
    Some((name, rest.trim_start_matches([',', ' '])))
}

/// serde quotes the offending value in `unknown variant` and `invalid value`; only what was expected is kept.
fn without_values(text: &str) -> String {
    match text.split_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if text.starts_with("unknown variant")
            || text.contains("does not have variant constructor") =>
        {
            "unknown choice".to_owned()
        }
        None => text.to_owned(),
    }
}

/// The field names of a derived struct, read from the call that serde makes for it.
fn top_level_fields<S: DeserializeOwned>() -> Vec<&'static str> {
    struct Probe<'p>(&'p mut Vec<&'static str>);
    impl<'de> Deserializer<'de> for Probe<'_> {
        type Error = ProbeError;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ProbeError> {
            Err(serde::de::Error::custom("probe"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, ProbeError> {
            self.0.extend_from_slice(fields);
            Err(serde::de::Error::custom("probe"))
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields = Vec::new();
    let _ = S::deserialize(Probe(&mut fields));
    fields
}
