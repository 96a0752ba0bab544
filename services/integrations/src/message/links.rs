//! Links in texts: some carriers refuse texts that hold any, and some lines must not carry them.

use linkify::{LinkFinder, LinkKind};

fn finder() -> LinkFinder {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    // `clinic.example/r` is a link for a telephone too.
    finder.url_must_have_scheme(false);
    finder
}

/// How many links a text holds.
pub(crate) fn count(text: &str) -> usize {
    finder().links(text).count()
}

/// A text without its links, and without the gaps that they leave.
pub(crate) fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for link in finder().links(text) {
        kept.push_str(&text[end..link.start()]);
        end = link.end();
    }
    if end == 0 {
        return text.to_owned();
    }
    kept.push_str(&text[end..]);
    kept.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_and_the_words_stay() {
        for (text, links, kept) in [
            (
                "سلام https://clinic.example/r?a=1&b=2 خداحافظ",
                1,
                "سلام خداحافظ",
            ),
            ("see clinic.ir/r and www.other.sn now", 2, "see and now"),
            ("first\nhttps://x.ir\nlast", 1, "first\n\nlast"),
            (
                "3.5 mg, at 10.30, no link.",
                0,
                "3.5 mg, at 10.30, no link.",
            ),
            ("two  spaces stay", 0, "two  spaces stay"),
            ("https://only.example", 1, ""),
        ] {
            assert_eq!(
                (count(text), without(text).as_str()),
                (links, kept),
                "{text}"
            );
        }
    }
}
