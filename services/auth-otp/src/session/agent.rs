//! What a `User-Agent` says, in the two words that a session list shows.

const BROWSERS: [(&str, &str); 9] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("okhttp", "Android app"),
    ("CFNetwork", "iOS app"),
];
const DEVICES: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
];
/// A longer header is cut, in characters.
const MAX_CHARS: usize = 255;

/// The header as it is stored.
pub(super) fn stored(user_agent: &str) -> String {
    user_agent
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_CHARS)
        .collect()
}

/// The browser's family; for programs the first word.
pub(super) fn browser(user_agent: &str) -> String {
    named(user_agent, &BROWSERS).unwrap_or_else(|| {
        user_agent
            .split(['/', ' '])
            .next()
            .unwrap_or_default()
            .chars()
            .take(40)
            .collect()
    })
}

/// The kind of device; empty when unknown.
pub(super) fn device(user_agent: &str) -> String {
    named(user_agent, &DEVICES).unwrap_or_default()
}

fn named(user_agent: &str, names: &[(&str, &str)]) -> Option<String> {
    names
        .iter()
        .find(|(part, _)| user_agent.contains(part))
        .map(|(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_agents_are_recognised() {
        let chrome = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36";
        assert_eq!(
            (browser(chrome), device(chrome)),
            ("Chrome".into(), "Android".into())
        );
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1";
        assert_eq!(
            (browser(safari), device(safari)),
            ("Safari".into(), "iPhone".into())
        );
        assert_eq!(
            (
                browser("python-requests/2.32"),
                device("python-requests/2.32")
            ),
            ("python-requests".into(), String::new())
        );
        assert_eq!(browser(""), "");
    }
}
