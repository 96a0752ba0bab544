//! From file entries to routes: defaults filled in, every mistake collected.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common_types::Language;

use super::file::{Defaults, LimitEntry, RouteEntry, RouteFile, TableError};
use super::{CallerKind, LimitPolicy, Route, SERVICES};

/// The most that any entry may let in: 256 MiB.
const LARGEST_BODY: u64 = 256 * 1024 * 1024;
/// The longest wait for an answer to begin.
const LONGEST_TIMEOUT_MS: u64 = 10 * 60 * 1000;
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

type Policies = BTreeMap<String, Arc<LimitPolicy>>;
type Built = (Vec<Arc<Route>>, Option<Arc<LimitPolicy>>);

pub(super) fn build(file: RouteFile, development: bool) -> Result<Built, TableError> {
    let mut errors = Vec::new();
    let policies = policies(&file.limits, &mut errors);
    let every_call = file.defaults.every_call.as_ref().and_then(|name| {
        let found = policies.get(name).cloned();
        if found.is_none() {
            errors.push(format!(
                "defaults.every_call names the unknown limit `{name}`"
            ));
        }
        found
    });
    let mut seen = HashSet::new();
    let mut routes = Vec::with_capacity(file.route.len());
    for entry in &file.route {
        let methods = methods(entry, &mut errors);
        for method in if methods.is_empty() {
            METHODS.iter().map(ToString::to_string).collect()
        } else {
            methods.clone()
        } {
            if !seen.insert((plain(&entry.prefix).to_owned(), method.clone())) {
                errors.push(format!("`{}` is listed twice for {method}", entry.prefix));
            }
        }
        if let Some(mut route) = route(entry, &file.defaults, methods, &policies, &mut errors)
            && (development || !route.development_only)
        {
            route.index = routes.len();
            routes.push(Arc::new(route));
        }
    }
    if routes.is_empty() {
        errors.push("it has no entries".to_owned());
    }
    if errors.is_empty() {
        Ok((routes, every_call))
    } else {
        Err(TableError(errors))
    }
}

/// The prefix without its final slash.
fn plain(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

fn policies(entries: &BTreeMap<String, LimitEntry>, errors: &mut Vec<String>) -> Policies {
    entries
        .iter()
        .map(|(name, entry)| {
            if entry.calls == 0 || entry.window_seconds == 0 {
                errors.push(format!(
                    "limit `{name}` must allow at least one call in at least one second"
                ));
            }
            let policy = LimitPolicy {
                name: name.clone(),
                calls: entry.calls.max(1),
                window_seconds: entry.window_seconds.max(1),
                by: entry.by,
                strict: entry.strict,
                shown: OnceLock::new(),
            };
            (name.clone(), Arc::new(policy))
        })
        .collect()
}

fn methods(entry: &RouteEntry, errors: &mut Vec<String>) -> BTreeSet<String> {
    for method in &entry.methods {
        if !METHODS.contains(&method.as_str()) {
            errors.push(format!(
                "`{}` names the method `{method}`, which is never routed",
                entry.prefix
            ));
        }
    }
    entry.methods.iter().cloned().collect()
}

fn route(
    entry: &RouteEntry,
    defaults: &Defaults,
    methods: BTreeSet<String>,
    policies: &Policies,
    errors: &mut Vec<String>,
) -> Option<Route> {
    let before = errors.len();
    let prefix = plain(&entry.prefix);
    check_prefix(prefix, errors);
    let service = SERVICES.iter().position(|name| *name == entry.service);
    if service.is_none() {
        errors.push(format!(
            "`{prefix}` names the unknown service `{}`",
            entry.service
        ));
    }
    let callers = entry
        .callers
        .clone()
        .unwrap_or_else(|| defaults.callers.clone());
    if callers.is_empty() || (callers.contains(&CallerKind::Public) && callers.len() > 1) {
        errors.push(format!(
            "`{prefix}`: callers must be `public` alone or at least one kind of credential"
        ));
    }
    let body_bytes = entry.body_bytes.unwrap_or(defaults.body_bytes);
    if body_bytes > LARGEST_BODY {
        errors.push(format!("`{prefix}`: body_bytes is above {LARGEST_BODY}"));
    }
    let timeout_ms = entry.timeout_ms.unwrap_or(defaults.timeout_ms);
    if timeout_ms == 0 || timeout_ms > LONGEST_TIMEOUT_MS {
        errors.push(format!(
            "`{prefix}`: timeout_ms must lie between 1 and {LONGEST_TIMEOUT_MS}"
        ));
    }
    let body_timeout_ms = entry.body_timeout_ms.unwrap_or(defaults.body_timeout_ms);
    let limits = entry
        .limits
        .as_ref()
        .unwrap_or(&defaults.limits)
        .iter()
        .filter_map(|name| {
            let found = policies.get(name).cloned();
            if found.is_none() {
                errors.push(format!("`{prefix}` names the unknown limit `{name}`"));
            }
            found
        })
        .collect();
    let language = entry.language.as_ref().unwrap_or(&defaults.language);
    let language = match language.as_str() {
        "fa" => Language::Fa,
        "fr" => Language::Fr,
        "en" => Language::En,
        other => {
            errors.push(format!("`{prefix}` names the unknown language `{other}`"));
            Language::En
        }
    };
    if entry.token_query.is_some() && !entry.websocket {
        errors.push(format!(
            "`{prefix}`: token_query is only for WebSocket routes"
        ));
    }
    if errors.len() > before {
        return None;
    }
    Some(Route {
        prefix: prefix.to_owned(),
        index: 0,
        service: service?,
        callers,
        methods,
        exact: entry.exact,
        body_bytes,
        timeout: Duration::from_millis(timeout_ms),
        body_timeout: (body_timeout_ms > 0).then(|| Duration::from_millis(body_timeout_ms)),
        retry: entry.retry.unwrap_or(defaults.retry),
        limits,
        language,
        shape: entry.shape.unwrap_or(defaults.shape),
        websocket: entry.websocket,
        token_query: entry.token_query.clone(),
        secret_path: entry.secret_path,
        development_only: entry.development_only,
    })
}

/// A prefix is made of unreserved characters only, so that the canonical-path rule makes its spelling unique.
fn check_prefix(prefix: &str, errors: &mut Vec<String>) {
    if !prefix.starts_with('/') {
        errors.push(format!("`{prefix}` must begin with a slash"));
        return;
    }
    let segments: Vec<&str> = prefix[1..].split('/').collect();
    for segment in &segments {
        let fine = matches!(*segment, "{digits}" | "{segment}")
            || (!segment.is_empty()
                && !segment.ends_with('.')
                && segment.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
                }));
        if !fine {
            errors.push(format!(
                "`{prefix}` has the segment `{segment}`, which is not a plain name or a placeholder"
            ));
        }
    }
    if segments
        .iter()
        .any(|segment| segment.eq_ignore_ascii_case("internal"))
    {
        errors.push(format!(
            "`{prefix}` would open internal routes to the outside"
        ));
    }
    if segments.first().is_some_and(|first| first.starts_with('{')) {
        errors.push(format!("`{prefix}` must begin with a plain name"));
    }
}
