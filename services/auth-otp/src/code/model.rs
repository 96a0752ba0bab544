//! Pure rules of codes.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::digits;
use service_auth::tokens;
use uuid::Uuid;

/// Purpose of Contexor's login.
pub const LOGIN_S4: &str = "login_s4";
/// Purpose of django-chelseru's login.
pub const LOGIN_S2: &str = "login_s2";
/// Purpose of a doctor's request for a patient's summary.
pub const PATIENT_ACCESS: &str = "patient_access";
/// Purpose of a fresh proof before a sensitive action.
pub const STEP_UP: &str = "step_up";
/// Purpose of setting a password anew.
pub const PASSWORD_RESET: &str = "password_reset";
/// Purpose of changing the phone; both numbers get one.
pub const PHONE_CHANGE: &str = "phone_change";
/// Purpose of proving a number anew.
pub const REPROOF: &str = "reproof";

/// What a code is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The purpose: a login code is no consent.
    pub purpose: &'a str,
    /// The phone in E.164.
    pub phone: &'a str,
    /// The caller's binding; empty for logins.
    pub binding: &'a str,
    /// The challenge.
    pub id: Uuid,
}

/// The code itself: a keyed function of everything it is bound to, so that it can be spoken again without being stored.
/// To anyone without the key it is a random number; `length` is 4 to 10.
#[must_use]
pub fn derive_code(key: &[u8], bound: &Bound<'_>, length: usize) -> String {
    let parts: [&[u8]; 5] = [
        b"tabib.code.value.v1",
        bound.purpose.as_bytes(),
        bound.phone.as_bytes(),
        bound.binding.as_bytes(),
        bound.id.as_bytes(),
    ];
    let digest = tokens::hmac_sha256(key, &parts);
    // 128 bits over at most 10^10 values: the bias is below 2^-94.
    let number = digest[..16]
        .iter()
        .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    let length = length.clamp(4, 10);
    let values = 10_u128.pow(u32::try_from(length).unwrap_or(10));
    format!("{:0length$}", number % values)
}

/// The stored form of a code: HMAC-SHA-256 under the server key over everything it is bound to.
#[must_use]
pub fn hash_code(key: &[u8], bound: &Bound<'_>, code: &str) -> [u8; 32] {
    let parts: [&[u8]; 6] = [
        b"tabib.code.v1",
        bound.purpose.as_bytes(),
        bound.phone.as_bytes(),
        bound.binding.as_bytes(),
        bound.id.as_bytes(),
        code.as_bytes(),
    ];
    tokens::hmac_sha256(key, &parts)
}

/// Whether the code is the one behind the hash, in constant time.
#[must_use]
pub fn verify_hash(key: &[u8], bound: &Bound<'_>, code: &str, hash: &[u8]) -> bool {
    tokens::ct_eq(&hash_code(key, bound, code), hash)
}

/// A code as a person typed it: digits of any script become ASCII, separators go.
#[must_use]
pub fn normalize(code: &str) -> String {
    digits::to_ascii(code)
        .chars()
        .filter(|c| {
            !c.is_whitespace()
                && !digits::is_invisible(*c)
                && !matches!(c, '-' | '.' | '\u{2010}'..='\u{2015}')
        })
        .collect()
}

/// Whole seconds until `then`, rounded up, at least 1.
#[must_use]
pub fn seconds_until(now: DateTime<Utc>, then: DateTime<Utc>) -> i64 {
    let left = then - now;
    let whole = left.num_seconds();
    let part = i64::from(left > TimeDelta::seconds(whole));
    (whole + part).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn bound(id: Uuid) -> Bound<'static> {
        Bound {
            purpose: LOGIN_S4,
            phone: "+989121234567",
            binding: "",
            id,
        }
    }

    #[test]
    fn a19_test_hash_code() {
        let bound = bound(Uuid::nil());
        assert_eq!(
            hash_code(KEY, &bound, "123456"),
            hash_code(KEY, &bound, "123456")
        );
        assert_ne!(hash_code(KEY, &bound, "123456").as_slice(), b"123456");
        assert_ne!(
            hash_code(KEY, &bound, "123456"),
            hash_code(KEY, &bound, "123457")
        );
    }

    #[test]
    fn a19_test_verify_hash() {
        let bound = bound(Uuid::nil());
        let hash = hash_code(KEY, &bound, "123456");
        assert!(verify_hash(KEY, &bound, "123456", &hash));
        assert!(!verify_hash(KEY, &bound, "654321", &hash));
        for other in [
            Bound {
                purpose: PATIENT_ACCESS,
                ..bound
            },
            Bound {
                phone: "+989121234568",
                ..bound
            },
            Bound {
                binding: "doctor",
                ..bound
            },
            Bound {
                id: Uuid::from_u128(1),
                ..bound
            },
        ] {
            assert!(!verify_hash(KEY, &other, "123456", &hash), "{other:?}");
        }
        assert!(!verify_hash(
            b"another key of thirty-two bytes!!",
            &bound,
            "123456",
            &hash
        ));
    }

    #[test]
    fn codes_are_derived_evenly_and_by_key() {
        let mut seen = [0_u32; 10];
        for n in 0..20_000_u128 {
            let code = derive_code(KEY, &bound(Uuid::from_u128(n)), 6);
            assert_eq!(code.len(), 6);
            for digit in code.bytes() {
                seen[usize::from(digit - b'0')] += 1;
            }
        }
        // 12,000 of each are expected; five standard deviations are 520.
        assert!(
            seen.iter().all(|count| count.abs_diff(12_000) < 520),
            "{seen:?}"
        );
        let bound = bound(Uuid::from_u128(1));
        let other = derive_code(b"another key of thirty-two bytes!!", &bound, 10);
        assert_ne!(derive_code(KEY, &bound, 10), other);
    }

    proptest! {
        #[test]
        fn any_script_and_spacing_is_one_code(n in 0_u32..1_000_000) {
            let code = format!("{n:06}");
            let persian: String = code.chars().map(|c| char::from_u32(0x06F0 + c.to_digit(10).unwrap()).unwrap()).collect();
            let arabic: String = code.chars().map(|c| char::from_u32(0x0660 + c.to_digit(10).unwrap()).unwrap()).collect();
            let spaced = format!(" {} {}\u{200f}", &code[..3], &code[3..]);
            for spelling in [persian, arabic, spaced, format!("{}-{}", &code[..3], &code[3..])] {
                prop_assert_eq!(normalize(&spelling), code.clone());
            }
        }
    }

    #[test]
    fn seconds_round_up() {
        let now = Utc::now();
        assert_eq!(
            seconds_until(now, now + TimeDelta::milliseconds(59_001)),
            60
        );
        assert_eq!(seconds_until(now, now + TimeDelta::seconds(59)), 59);
        assert_eq!(seconds_until(now, now - TimeDelta::seconds(5)), 1);
    }
}
