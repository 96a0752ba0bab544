//! One range of bytes (RFC 9110, section 14).

use std::ops::Range;

/// A range that lies outside of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outside;

/// What `Range` asks for; `None` for the whole file, also where several ranges or other units are asked for.
///
/// # Errors
/// [`Outside`].
pub(crate) fn wanted(header: Option<&str>, length: u64) -> Result<Option<Range<u64>>, Outside> {
    let Some((first, last)) = header
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => length.saturating_sub(count)..(if count == 0 { 0 } else { length }),
            None => return Ok(None),
        },
        (first, "") => match number(first) {
            Some(first) => first..length,
            None => return Ok(None),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
            _ => return Ok(None),
        },
    };
    if range.start < range.end {
        Ok(Some(range))
    } else {
        Err(Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let of = |text: &str| wanted(Some(text), 100);
        assert_eq!(of("bytes=0-9"), Ok(Some(0..10)));
        assert_eq!(of("bytes=90-"), Ok(Some(90..100)));
        assert_eq!(of("bytes=-10"), Ok(Some(90..100)));
        assert_eq!(of("bytes=-1000"), Ok(Some(0..100)));
        assert_eq!(of("bytes=50-1000"), Ok(Some(50..100)));
        for whole in [
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=9-1",
            "bytes=-",
            "bytes=a-b",
            "bytes",
        ] {
            assert_eq!(of(whole), Ok(None), "{whole}");
        }
        for outside in ["bytes=100-", "bytes=-0", "bytes=200-300"] {
            assert_eq!(of(outside), Err(Outside), "{outside}");
        }
        assert_eq!(wanted(None, 100), Ok(None));
    }
}
