//! Patterns, keys and what a rule would have done: pure.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use service_http::Limit;
use uuid::Uuid;

/// What a rule counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    User,
    Ip,
    Organization,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Global, Self::User, Self::Ip, Self::Organization];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::User => "user",
            Self::Ip => "ip",
            Self::Organization => "organization",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A rule that is in force.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) provider_id: Option<Uuid>,
    pub(crate) endpoint_pattern: String,
    pub(crate) max_requests: i32,
    pub(crate) time_window_seconds: i32,
    pub(crate) scope: Scope,
}

/// Who calls, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    /// `user:<id>`, `api_key:<id>`, `service:<name>`.
    pub(crate) user: Option<String>,
    pub(crate) organization: Option<Uuid>,
    pub(crate) ip: Option<IpAddr>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called<'a> {
    /// A route, without its final slash.
    Path(&'a str),
    /// An action, with the provider that will be asked first.
    Action(&'a str, Option<Uuid>),
}

/// The names of actions; a pattern that holds one speaks of actions even when it looks like a path, as helssa's did.
const ACTIONS: [&str; 6] = [
    "send_otp",
    "send_pattern",
    "send_bulk",
    "send_simple",
    "text_generation",
    "audio_transcription",
];

impl Rule {
    /// Whether the rule speaks of this.
    pub(crate) fn covers(&self, called: Called<'_>) -> bool {
        let pattern = self.endpoint_pattern.to_ascii_lowercase();
        let of_actions =
            !pattern.starts_with('/') || ACTIONS.iter().any(|action| pattern.contains(action));
        match called {
            Called::Path(path) => {
                !of_actions && self.provider_id.is_none() && path_matches(&pattern, path)
            }
            Called::Action(action, provider) => {
                let action = action.to_ascii_lowercase();
                of_actions
                    && (pattern.contains(&action) || glob(&pattern, &action))
                    && self.provider_id.is_none_or(|id| provider == Some(id))
            }
        }
    }

    /// Whether the rule binds this caller's organisation.
    pub(crate) fn binds(&self, organization: Option<Uuid>) -> bool {
        self.organization_id
            .is_none_or(|id| organization == Some(id))
    }

    /// By what this caller is counted; `None` when the rule counts by something that is not known.
    pub(crate) fn counted_by(&self, who: &Who) -> Option<String> {
        match self.scope {
            Scope::Global => Some("all".to_owned()),
            Scope::User => who
                .user
                .clone()
                // Nobody in particular is counted by address, else a rule per user would bind no anonymous route.
                .or_else(|| who.ip.map(|ip| format!("ip:{ip}"))),
            Scope::Ip => who.ip.map(|ip| ip.to_string()),
            Scope::Organization => who.organization.map(|id| id.to_string()),
        }
    }

    pub(crate) fn limit(&self) -> Limit {
        Limit::new(
            u32::try_from(self.max_requests).unwrap_or(1),
            Duration::from_secs(u64::try_from(self.time_window_seconds).unwrap_or(1)),
        )
    }
}

/// `*` stands for anything; the final slash counts for nothing.
fn path_matches(pattern: &str, path: &str) -> bool {
    let trimmed = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    let (pattern, path) = (trimmed(pattern), trimmed(path));
    // `/sms/*` speaks of `/sms` itself too.
    glob(&pattern, &path)
        || pattern
            .strip_suffix("/*")
            .is_some_and(|base| glob(base, &path))
}

/// Whether `text` has the form of `pattern`, where `*` stands for any characters. Linear in both.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What a rule would have done to past calls.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Replay {
    /// Calls that the rule speaks of.
    pub(crate) calls: u64,
    /// Those it would have refused.
    pub(crate) refused: u64,
    pub(crate) first_refused_at: Option<DateTime<Utc>>,
    pub(crate) last_refused_at: Option<DateTime<Utc>>,
    /// Whom it would have refused most.
    pub(crate) most_refused: Vec<Refused>,
}

/// One who would have been refused.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    pub(crate) who: String,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
}

/// Replays calls (oldest first) through the limiter's own rule (GCRA); a refused call takes nothing.
pub(crate) fn replay(
    rule: &Rule,
    calls: impl Iterator<Item = (DateTime<Utc>, Option<String>)>,
) -> Replay {
    let requests = i64::from(rule.max_requests.max(1));
    let window = i64::from(rule.time_window_seconds.max(1)) * 1_000_000;
    let interval = (window / requests).max(1);
    let tolerance = interval * (requests - 1);
    let mut arrivals: HashMap<String, i64> = HashMap::new();
    let mut by: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut result = Replay::default();
    for (at, who) in calls {
        let Some(who) = who else { continue };
        result.calls += 1;
        let counts = by.entry(who.clone()).or_default();
        counts.0 += 1;
        let now = at.timestamp_micros();
        let arrival = arrivals.entry(who).or_insert(now);
        let due = (*arrival).max(now);
        if due - tolerance > now {
            counts.1 += 1;
            result.refused += 1;
            result.first_refused_at.get_or_insert(at);
            result.last_refused_at = Some(at);
        } else {
            *arrival = due + interval;
        }
    }
    let mut most: Vec<Refused> = by
        .into_iter()
        .filter(|(_, (_, refused))| *refused > 0)
        .map(|(who, (calls, refused))| Refused {
            who,
            calls,
            refused,
        })
        .collect();
    most.sort_by_key(|entry| std::cmp::Reverse(entry.refused));
    most.truncate(10);
    result.most_refused = most;
    result
}

/// The longest time that past calls are looked at.
pub(crate) fn since(now: DateTime<Utc>, days: i64) -> DateTime<Utc> {
    now - TimeDelta::days(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(pattern: &str, max: i32, window: i32, scope: Scope) -> Rule {
        Rule {
            id: Uuid::nil(),
            organization_id: None,
            provider_id: None,
            endpoint_pattern: pattern.to_owned(),
            max_requests: max,
            time_window_seconds: window,
            scope,
        }
    }

    #[test]
    fn i22_wildcards_match_routes_and_actions() {
        let path =
            |pattern: &str, path| rule(pattern, 1, 1, Scope::User).covers(Called::Path(path));
        assert!(path(
            "/api/integrations/sms/*",
            "/api/integrations/sms/send"
        ));
        assert!(path("/api/integrations/sms/*", "/api/integrations/sms"));
        assert!(path("/api/*/send/", "/api/message/send"));
        assert!(path("/API/Integrations/*", "/api/integrations/logs"));
        assert!(!path("/api/integrations/sms", "/api/integrations/sms/send"));
        assert!(!path("*", "/api/message/send"), "that speaks of actions");
        let action = |pattern: &str, action| {
            rule(pattern, 1, 1, Scope::User).covers(Called::Action(action, None))
        };
        assert!(action("*", "send_otp") && action("send_*", "send_otp"));
        assert!(action("text_generation", "text_generation"));
        assert!(action("/sms/send_otp/", "SEND_OTP"), "as helssa matched");
        assert!(!action("send_pattern", "send_otp"));
        assert!(!action("/api/integrations/*", "send_otp"));
    }

    #[test]
    fn i22_an_organisations_rule_binds_its_own() {
        let mut own = rule("*", 1, 1, Scope::Organization);
        own.organization_id = Some(Uuid::from_u128(1));
        assert!(own.binds(Some(Uuid::from_u128(1))));
        assert!(!own.binds(Some(Uuid::from_u128(2))) && !own.binds(None));
        assert_eq!(own.counted_by(&Who::default()), None);
        let anonymous = Who {
            ip: Some([127, 0, 0, 1].into()),
            ..Who::default()
        };
        assert_eq!(
            rule("*", 1, 1, Scope::User).counted_by(&anonymous),
            Some("ip:127.0.0.1".to_owned())
        );
    }

    #[test]
    fn i22_a_dry_run_refuses_what_the_limiter_would() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let rule = rule("*", 2, 60, Scope::User);
        let calls = [
            (at(0), Some("a")),
            (at(1), Some("a")),
            (at(2), Some("a")),
            (at(3), Some("b")),
            (at(3), None),
            (at(31), Some("a")),
        ];
        let replay = replay(
            &rule,
            calls
                .into_iter()
                .map(|(at, who)| (at, who.map(str::to_owned))),
        );
        assert_eq!((replay.calls, replay.refused), (5, 1));
        assert_eq!(replay.first_refused_at, Some(at(2)));
        assert_eq!(
            replay.most_refused,
            [Refused {
                who: "a".into(),
                calls: 4,
                refused: 1
            }]
        );
    }

    proptest! {
        #[test]
        fn a_glob_never_panics_and_matches_what_it_was_made_from(parts in proptest::collection::vec("[a-zآ-ی/]{0,5}", 1..5), fill in "[a-z/]{0,6}") {
            prop_assert!(glob(&parts.join("*"), &parts.join(&fill)));
        }
    }
}
