//! The canonical form of a request target (Q-G2): what is not canonical is refused, never repaired.
//!
//! The router and the service must see the same bytes. A path that two programs could read in two ways
//! (`%2f`, `..`, `//`, an encoded letter, a double encoding) is answered with 400 and never routed
//! (CVE-2019-9901, GHSA-p224-6x5r-fjpm, GHSA-gm3x-23wp-hc2c).

use thiserror::Error;

/// The longest path that is routed, in bytes.
pub const MAX_PATH_BYTES: usize = 2048;
/// The longest query string that is forwarded, in bytes.
pub const MAX_QUERY_BYTES: usize = 8192;

/// Why a request target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// It does not begin with `/` (absolute form, authority form, `*`).
    #[error("The request target must be a path that begins with a slash.")]
    Form,
    /// More than [`MAX_PATH_BYTES`] or [`MAX_QUERY_BYTES`].
    #[error("The request target is too long.")]
    TooLong,
    /// A byte that must not stand in a target: control, space, quote, bracket, backslash, semicolon, non-ASCII.
    #[error("The request target contains a byte that is not allowed.")]
    Byte,
    /// `%` without two hexadecimal digits, or an encoding of something that must stand as itself or not at all.
    #[error("The request target contains a percent-encoding that is not allowed.")]
    Encoding,
    /// `//`.
    #[error("The request target contains an empty segment.")]
    EmptySegment,
    /// `.`, `..` or a segment that ends with a dot.
    #[error("The request target contains a dot segment.")]
    DotSegment,
    /// The percent-decoded bytes are not UTF-8.
    #[error("The request target is not valid UTF-8.")]
    Utf8,
}

/// Checks a raw path, as it stood in the request line, without the query.
///
/// # Errors
/// The first rule that it breaks, see [`PathError`].
pub fn check(path: &str) -> Result<(), PathError> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::Form);
    }
    if bytes.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    let mut encoded = false;
    let mut previous = 0_u8;
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        match byte {
            b'/' => {
                if previous == b'/' {
                    return Err(PathError::EmptySegment);
                }
                if previous == b'.' {
                    return Err(PathError::DotSegment);
                }
                index += 1;
            }
            b'%' => {
                let decoded = decode(bytes, index).ok_or(PathError::Encoding)?;
                if !may_stand_encoded(decoded, &bytes[index + 3..]) {
                    return Err(PathError::Encoding);
                }
                encoded |= decoded >= 0x80;
                index += 3;
            }
            _ if is_path_byte(byte) => index += 1,
            _ => return Err(PathError::Byte),
        }
        previous = byte;
    }
    if previous == b'.' {
        return Err(PathError::DotSegment);
    }
    if has_dot_segment(path) {
        return Err(PathError::DotSegment);
    }
    if encoded && !decodes_to_utf8(bytes) {
        return Err(PathError::Utf8);
    }
    Ok(())
}

/// Checks a raw query string: length, and visible ASCII only.
///
/// # Errors
/// [`PathError::TooLong`] or [`PathError::Byte`].
pub fn check_query(query: &str) -> Result<(), PathError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(PathError::TooLong);
    }
    if query.bytes().any(|byte| !(0x21..0x7f).contains(&byte)) {
        return Err(PathError::Byte);
    }
    Ok(())
}

/// Whether a path is asked for by machines that name the gateway by its address.
pub fn is_probe(path: &str) -> bool {
    matches!(
        path.trim_end_matches('/'),
        "/health/live" | "/health/ready" | "/metrics"
    )
}

/// Bytes that may stand for themselves: RFC 3986 `pchar` without `;`, which some routers cut at.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

/// What may come percent-encoded. Unreserved characters may not: an encoded letter would give the gateway's
/// router and a decoding service two different routes. Neither may separators, controls, or a second encoding.
fn may_stand_encoded(decoded: u8, rest: &[u8]) -> bool {
    match decoded {
        0..=0x1f | 0x7f | b'/' | b'\\' | b';' => false,
        b'%' => !(rest.len() >= 2 && rest[0].is_ascii_hexdigit() && rest[1].is_ascii_hexdigit()),
        _ => !(decoded.is_ascii_alphanumeric() || matches!(decoded, b'-' | b'.' | b'_' | b'~')),
    }
}

fn decode(bytes: &[u8], index: usize) -> Option<u8> {
    let high = char::from(*bytes.get(index + 1)?).to_digit(16)?;
    let low = char::from(*bytes.get(index + 2)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

fn has_dot_segment(path: &str) -> bool {
    path.contains("/.")
        && path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
}

fn decodes_to_utf8(bytes: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == b'%'
            && let Some(byte) = decode(bytes, index)
        {
            decoded.push(byte);
            index += 3;
        } else {
            decoded.push(bytes[index]);
            index += 1;
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/api/auth/me/",
            "/api/auth/me",
            "/api/users/by-phone/+989121234567/",
            "/api/users/by-phone/%2B989121234567/",
            "/media/uploads/chat_files/2026/11/21/%D9%86%D8%A7%D9%85%D9%87.pdf",
            "/assets/index-Bd3f_1a.js",
            "/.well-known/jwks.json",
            "/a/100%25",
            "/a/b%20c",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn each_rule_refuses() {
        for (path, error) in [
            ("", PathError::Form),
            ("*", PathError::Form),
            ("http://evil/x", PathError::Form),
            ("/a//b", PathError::EmptySegment),
            ("//a", PathError::EmptySegment),
            ("/a/../b", PathError::DotSegment),
            ("/a/./b", PathError::DotSegment),
            ("/a/..", PathError::DotSegment),
            ("/a./b", PathError::DotSegment),
            ("/a/b.", PathError::DotSegment),
            ("/a%2fb", PathError::Encoding),
            ("/a%5Cb", PathError::Encoding),
            ("/a%00", PathError::Encoding),
            ("/%2e%2e/b", PathError::Encoding),
            ("/%252e%252e/b", PathError::Encoding),
            ("/api/%61uth/", PathError::Encoding),
            ("/a%", PathError::Encoding),
            ("/a%zz", PathError::Encoding),
            ("/a;b", PathError::Byte),
            ("/a\\b", PathError::Byte),
            ("/a\"b", PathError::Byte),
            ("/%ff", PathError::Utf8),
            ("/%c0%af", PathError::Utf8),
        ] {
            assert_eq!(check(path), Err(error), "{path}");
        }
        assert_eq!(
            check(&format!("/{}", "a".repeat(8192))),
            Err(PathError::TooLong)
        );
    }

    proptest::proptest! {
        #[test]
        fn a_path_that_passes_means_the_same_decoded(path in "/[ -~]{0,40}") {
            if check(&path).is_ok() {
                let raw: Vec<&str> = path.split('/').collect();
                let decoded = raw.iter().map(|segment| {
                    let bytes = segment.as_bytes();
                    let mut out = Vec::new();
                    let mut index = 0;
                    while index < bytes.len() {
                        if bytes[index] == b'%' { out.push(decode(bytes, index).unwrap()); index += 3; }
                        else { out.push(bytes[index]); index += 1; }
                    }
                    String::from_utf8(out).unwrap()
                }).collect::<Vec<_>>().join("/");
                proptest::prop_assert_eq!(decoded.split('/').count(), raw.len());
                proptest::prop_assert!(decoded.split('/').all(|segment| segment != ".." && segment != "."));
            }
        }
    }
}
