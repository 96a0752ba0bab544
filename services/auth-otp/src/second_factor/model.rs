//! Pure rules of authenticators and recovery codes.

use service_auth::tokens::{hmac_sha256, random_bytes, random_from};
use totp_rs::{Builder, Secret, Totp, TotpError};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a secret: as long as SHA-1's output (RFC 4226 4).
pub const SECRET_BYTES: usize = 20;
/// Recovery codes made at once.
pub const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code: 50 bits, without letters that look like digits.
const RECOVERY_CHARS: usize = 10;
const RECOVERY_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// A new secret.
#[must_use]
pub fn new_secret() -> Zeroizing<[u8; SECRET_BYTES]> {
    Zeroizing::new(random_bytes())
}

/// The authenticator of a secret: SHA-1, six digits, 30 s, one step of skew on either side (what every application
/// understands).
///
/// # Errors
/// When the secret is too short or a name holds a colon.
pub fn authenticator(secret: &[u8], issuer: &str, account: &str) -> Result<Totp, TotpError> {
    Builder::new()
        .with_secret(secret)
        .with_issuer(Some(issuer.replace(':', " ")))
        .with_account_name(account.replace(':', " "))
        .build()
}

/// The secret as a person types it into an application.
#[must_use]
pub fn base32(secret: &[u8]) -> String {
    Secret::from(secret).to_base32()
}

/// The time step whose code this is, at `unix_seconds` or one step beside it.
#[must_use]
pub fn step_of(authenticator: &Totp, code: &str, unix_seconds: i64) -> Option<i64> {
    let now = u64::try_from(unix_seconds).ok()?;
    let step = authenticator.check(code, now)?;
    i64::try_from(step).ok()
}

/// Ten fresh recovery codes, as shown: two groups of five.
#[must_use]
pub fn new_recovery_codes() -> Vec<String> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let code = random_from(RECOVERY_ALPHABET, RECOVERY_CHARS);
            format!("{}-{}", &code[..5], &code[5..])
        })
        .collect()
}

/// A recovery code as it is compared; `None` when it cannot be one.
#[must_use]
pub fn normalize_recovery_code(typed: &str) -> Option<String> {
    let code: String = common_types::digits::to_ascii(typed)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .flat_map(char::to_lowercase)
        .collect();
    let right =
        code.len() == RECOVERY_CHARS && code.bytes().all(|byte| RECOVERY_ALPHABET.contains(&byte));
    right.then_some(code)
}

/// The stored form of a recovery code.
#[must_use]
pub fn hash_recovery_code(key: &[u8], user: Uuid, code: &str) -> Vec<u8> {
    let parts: [&[u8]; 3] = [b"tabib.recovery-code.v1", user.as_bytes(), code.as_bytes()];
    hmac_sha256(key, &parts).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1: the last six of the eight digits.
    #[test]
    fn the_vectors_of_rfc_6238() {
        let authenticator = authenticator(b"12345678901234567890", "Tabib", "a").unwrap();
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(
                step_of(&authenticator, code, time),
                Some(time / 30),
                "{time}"
            );
            assert_eq!(
                step_of(&authenticator, code, time + 30),
                Some(time / 30),
                "one step late"
            );
            assert_eq!(step_of(&authenticator, code, time + 90), None);
        }
        for bad in ["", "28708", "2870822", "abcdef", "287083"] {
            assert_eq!(step_of(&authenticator, bad, 59), None, "{bad:?}");
        }
    }

    #[test]
    fn the_address_names_issuer_and_account() {
        let url = authenticator(b"12345678901234567890", "Tabib", "09121234567")
            .unwrap()
            .to_url()
            .unwrap();
        assert!(
            url.starts_with("otpauth://totp/Tabib:09121234567?"),
            "{url}"
        );
        assert!(url.contains(&base32(b"12345678901234567890")), "{url}");
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        for code in new_recovery_codes() {
            let plain = code.replace('-', "");
            for typed in [
                code.clone(),
                plain.clone(),
                format!(" {} ", code.to_uppercase()),
            ] {
                assert_eq!(normalize_recovery_code(&typed), Some(plain.clone()));
            }
        }
        for junk in ["", "12345", "abcde-fghi", "abcde-fghi0", "abcde-fghij-k"] {
            assert_eq!(normalize_recovery_code(junk), None, "{junk}");
        }
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_ne!(
            hash_recovery_code(b"k", one, "a"),
            hash_recovery_code(b"k", two, "a")
        );
    }
}
