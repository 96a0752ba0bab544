//! What a `User-Agent` says, in the two words that a session list shows. The data is woothee's, embedded.

use sha2::{Digest, Sha256};
use woothee::parser::{Parser, WootheeResult};

/// Programs that woothee does not know, by what they call themselves.
const PROGRAMS: [(&str, &str); 3] = [
    ("okhttp", "Android app"),
    ("CFNetwork", "iOS app"),
    ("Dart/", "Flutter app"),
];
/// A longer header is cut, in characters.
const MAX_CHARS: usize = 255;
/// woothee's word for what it cannot tell.
const UNKNOWN: &str = "UNKNOWN";

/// The header as it is stored.
pub(super) fn stored(user_agent: &str) -> String {
    user_agent
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_CHARS)
        .collect()
}

/// What a `User-Agent` says of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The browser's family; for programs their name.
    pub(crate) browser: String,
    /// The operating system or kind of device; empty when unknown.
    pub(crate) device: String,
    /// What tells one of a person's devices from another: browser and system, whatever their versions.
    pub(crate) fingerprint: Vec<u8>,
}

impl Seen {
    /// Reads the header once.
    pub(crate) fn of(user_agent: &str) -> Self {
        let found = Parser::new().parse(user_agent);
        let browser = browser(user_agent, found.as_ref());
        let device = device(user_agent, found.as_ref());
        let mut hash = Sha256::new();
        hash.update(browser.as_bytes());
        hash.update([0]);
        hash.update(device.as_bytes());
        Self {
            browser,
            device,
            fingerprint: hash.finalize().to_vec(),
        }
    }
}

fn browser(user_agent: &str, found: Option<&WootheeResult<'_>>) -> String {
    if let Some((_, name)) = PROGRAMS.iter().find(|(part, _)| user_agent.contains(part)) {
        return (*name).to_owned();
    }
    if let Some(found) = found
        && found.name != UNKNOWN
        && found.category != "misc"
    {
        return found.name.to_owned();
    }
    user_agent
        .split(['/', ' '])
        .next()
        .unwrap_or_default()
        .chars()
        .take(40)
        .collect()
}

fn device(user_agent: &str, found: Option<&WootheeResult<'_>>) -> String {
    match found.map_or(UNKNOWN, |found| found.os) {
        UNKNOWN if user_agent.contains("okhttp") => "Android".to_owned(),
        UNKNOWN => String::new(),
        "Mac OSX" => "macOS".to_owned(),
        "ChromeOS" => "Chromebook".to_owned(),
        // Every edition of Windows is one device: updates do not make a new one.
        windows if windows.starts_with("Windows") => "Windows".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_agents_are_recognised() {
        let cases = [
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.51",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox",
                "macOS",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox",
                "Linux",
            ),
            ("okhttp/4.12.0", "Android app", "Android"),
            ("python-requests/2.32", "python-requests", ""),
            ("", "", ""),
        ];
        for (agent, expected_browser, expected_device) in cases {
            let seen = Seen::of(agent);
            assert_eq!(
                (seen.browser.as_str(), seen.device.as_str()),
                (expected_browser, expected_device),
                "{agent}"
            );
        }
    }

    #[test]
    fn an_update_is_no_new_device() {
        let of = |version: u32| {
            let agent = format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            );
            Seen::of(&agent).fingerprint
        };
        assert_eq!(of(130), of(131));
        assert_ne!(of(130), Seen::of("okhttp/4.12.0").fingerprint);
    }
}
