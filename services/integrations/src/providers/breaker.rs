//! A breaker per provider: after so many failures in a row a provider is passed over for a while, then one message tries it.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use super::SendOutcome;

/// Failures in a row, and for how long the provider rests after them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) failures: u32,
    pub(crate) rest: TimeDelta,
}

#[derive(Clone, Copy, Default)]
struct Circuit {
    failures: u32,
    open_until: Option<DateTime<Utc>>,
}

/// The breakers of this process, by provider slug.
#[derive(Clone, Default)]
pub(crate) struct Breakers {
    circuits: Arc<Mutex<HashMap<String, Circuit>>>,
}

/// Codes of a template or a line that is not set up: the provider itself works.
const SET_UP: [&str; 7] = [
    "kavenegar.412",
    "kavenegar.424",
    "kavenegar.426",
    "kavenegar.427",
    "kavenegar.432",
    "melipayamak.-4",
    "template.unknown",
];

/// Whether an outcome speaks against the provider rather than against the message.
fn failed(outcome: &SendOutcome) -> bool {
    match outcome {
        SendOutcome::Accepted { .. } => false,
        SendOutcome::Unknown { .. } => true,
        SendOutcome::Refused {
            code, retryable, ..
        } => *retryable && !SET_UP.contains(&code.as_str()),
    }
}

impl Breakers {
    /// Whether the provider may be tried. Once its rest is over, the first caller is the one that tries it: the others see
    /// it resting until that try has an end.
    pub(crate) fn admits(&self, slug: &str, rule: Rule, now: DateTime<Utc>) -> bool {
        let mut circuits = self.circuits.lock();
        let Some(circuit) = circuits.get_mut(slug) else {
            return true;
        };
        match circuit.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                circuit.open_until = Some(now + rule.rest);
                true
            }
        }
    }

    /// Notes what came of a try; answers true when the provider begins to rest.
    pub(crate) fn note(
        &self,
        slug: &str,
        rule: Rule,
        outcome: &SendOutcome,
        now: DateTime<Utc>,
    ) -> bool {
        let mut circuits = self.circuits.lock();
        if !failed(outcome) {
            circuits.remove(slug);
            return false;
        }
        let circuit = circuits.entry(slug.to_owned()).or_default();
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures < rule.failures {
            return false;
        }
        let begins = circuit.open_until.is_none();
        circuit.open_until = Some(now + rule.rest);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        failures: 3,
        rest: TimeDelta::seconds(30),
    };

    fn refused(code: &str, retryable: bool) -> SendOutcome {
        SendOutcome::Refused {
            code: code.to_owned(),
            text: String::new(),
            retryable,
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_after_the_rest() {
        let breakers = Breakers::default();
        let now = DateTime::UNIX_EPOCH;
        let lost = SendOutcome::Unknown { code: "timeout" };
        assert!(!breakers.note("a", RULE, &lost, now));
        assert!(!breakers.note("a", RULE, &lost, now));
        assert!(breakers.admits("a", RULE, now));
        assert!(breakers.note("a", RULE, &lost, now), "the third opens it");
        assert!(!breakers.admits("a", RULE, now + TimeDelta::seconds(29)));
        assert!(breakers.admits("b", RULE, now), "others go on");
        let later = now + TimeDelta::seconds(30);
        assert!(breakers.admits("a", RULE, later));
        assert!(!breakers.admits("a", RULE, later), "one at a time");
        assert!(!breakers.note("a", RULE, &refused("kavenegar.411", false), later));
        assert!(breakers.admits("a", RULE, later), "it answered: closed");
    }

    #[test]
    fn a_wrong_message_or_a_missing_template_is_not_the_providers_fault() {
        let breakers = Breakers::default();
        let now = DateTime::UNIX_EPOCH;
        for _ in 0..10 {
            breakers.note("a", RULE, &refused("kavenegar.411", false), now);
            breakers.note("a", RULE, &refused("kavenegar.424", true), now);
        }
        assert!(breakers.admits("a", RULE, now));
        for _ in 0..3 {
            breakers.note("a", RULE, &refused("kavenegar.418", true), now);
        }
        assert!(!breakers.admits("a", RULE, now));
    }
}
