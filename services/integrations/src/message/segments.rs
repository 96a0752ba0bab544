//! How many messages of the network a text takes: 160 septets of the GSM alphabet or 70 UTF-16 units alone, 153 or 67 per
//! part of a longer one (3GPP TS 23.038, TS 23.040 9.2.3.24.1).

use serde::Serialize;

/// How a text is coded in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Encoding {
    #[serde(rename = "gsm7")]
    Gsm7,
    #[serde(rename = "ucs2")]
    Ucs2,
}

/// What a text costs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Segments {
    pub(crate) encoding: Encoding,
    /// Septets or UTF-16 units.
    pub(crate) units: usize,
    /// Parts; at least 1.
    pub(crate) parts: usize,
}

/// The basic alphabet (TS 23.038 6.2.1), one septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table (6.2.1.1): an escape and a septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// Fills parts one character after the other: an escape pair or a surrogate pair is never torn apart.
fn fill(widths: impl Iterator<Item = usize>, alone: usize, part: usize) -> (usize, usize) {
    let (mut units, mut parts, mut filled) = (0, 1, 0);
    for width in widths {
        units += width;
        if filled + width > part {
            parts += 1;
            filled = 0;
        }
        filled += width;
    }
    (units, if units <= alone { 1 } else { parts })
}

/// Counts a text.
pub(crate) fn count(text: &str) -> Segments {
    let widths: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, (units, parts)) = match widths {
        Some(widths) => (Encoding::Gsm7, fill(widths.into_iter(), 160, 153)),
        None => (
            Encoding::Ucs2,
            fill(text.chars().map(char::len_utf16), 70, 67),
        ),
    };
    Segments {
        encoding,
        units,
        parts,
    }
}

/// Parts as they are stored (1 to 255).
pub(crate) fn parts(text: &str) -> i32 {
    i32::try_from(count(text).parts.clamp(1, 255)).unwrap_or(255)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::empty("", Encoding::Gsm7, 0, 1)]
    #[case::latin_alone(&"a".repeat(160), Encoding::Gsm7, 160, 1)]
    #[case::latin_two(&"a".repeat(161), Encoding::Gsm7, 161, 2)]
    #[case::latin_two_full(&"a".repeat(306), Encoding::Gsm7, 306, 2)]
    #[case::latin_three(&"a".repeat(307), Encoding::Gsm7, 307, 3)]
    #[case::persian_alone(&"س".repeat(70), Encoding::Ucs2, 70, 1)]
    #[case::persian_two(&"س".repeat(71), Encoding::Ucs2, 71, 2)]
    #[case::persian_two_full(&"س".repeat(134), Encoding::Ucs2, 134, 2)]
    #[case::persian_three(&"س".repeat(135), Encoding::Ucs2, 135, 3)]
    #[case::euro_is_two_septets(&"€".repeat(80), Encoding::Gsm7, 160, 1)]
    #[case::euro_beyond(&"€".repeat(81), Encoding::Gsm7, 162, 2)]
    // 152 septets and a pair: the pair does not fit into the last place of the first part.
    #[case::no_torn_escape(&format!("{}€{}", "a".repeat(152), "a".repeat(152)), Encoding::Gsm7, 306, 3)]
    #[case::no_torn_surrogate(&format!("{}😀{}", "س".repeat(66), "س".repeat(66)), Encoding::Ucs2, 134, 3)]
    #[case::french_accents_of_the_alphabet("déjà à côté", Encoding::Ucs2, 11, 1)]
    #[case::french_accents_within("déjà reçu".split(' ').next().unwrap(), Encoding::Gsm7, 4, 1)]
    #[case::emoji("👍", Encoding::Ucs2, 2, 1)]
    fn parts_are_those_of_the_network(
        #[case] text: &str,
        #[case] encoding: Encoding,
        #[case] units: usize,
        #[case] parts: usize,
    ) {
        assert_eq!(
            count(text),
            Segments {
                encoding,
                units,
                parts
            }
        );
    }

    #[test]
    fn the_alphabet_is_complete() {
        // 128 places, one of them the escape.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
    }
}
