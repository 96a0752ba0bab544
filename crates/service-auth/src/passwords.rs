//! Password hashing: argon2id with 19 MiB and two passes (OWASP), off the event loop, a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Memory per hash in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Longer passwords are refused before they cost anything, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Hashing failed for a reason that is not the password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// More than [`MAX_PASSWORD_BYTES`].
    #[error("the password is too long")]
    TooLong,
    /// The stored text is no argon2id hash.
    #[error("the stored hash is not readable")]
    BadHash,
    /// The work could not be done (shutdown, library failure).
    #[error("password hashing is not available")]
    Unavailable,
}

/// Hashes and verifies passwords; cheap to clone, the clones share the limit of parallel hashes.
#[derive(Clone)]
pub struct Hasher {
    permits: Arc<Semaphore>,
    argon2: Argon2<'static>,
    dummy: Arc<str>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("free", &self.permits.available_permits())
            .finish()
    }
}

impl Default for Hasher {
    /// As many parallel hashes as the machine has cores.
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from))
    }
}

impl Hasher {
    /// At most `parallel` hashes at once (each holds 19 MiB); the others wait in order.
    #[must_use]
    pub fn new(parallel: usize) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, 1, None)
            .expect("the constants are within argon2's ranges");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = argon2
            .hash_password(b"no account has this password")
            .expect("hashing a constant with valid parameters")
            .to_string();
        Self {
            permits: Arc::new(Semaphore::new(parallel.max(1))),
            argon2,
            dummy: dummy.into(),
        }
    }

    /// The password's PHC string, with a fresh salt.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`], or when the work cannot be done.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let argon2 = self.argon2.clone();
        self.run(password, move |password| {
            argon2
                .hash_password(password)
                .map(|hash| hash.to_string())
                .map_err(|_| PasswordError::Unavailable)
        })
        .await
    }

    /// Whether the password matches the PHC string; the string's own parameters are used.
    ///
    /// # Errors
    /// [`PasswordError::BadHash`] when the string is not one; too long a password is just `false`.
    pub async fn verify(&self, password: &str, hash: &str) -> Result<bool, PasswordError> {
        let hash = hash.to_owned();
        let argon2 = self.argon2.clone();
        let work = move |password: &[u8]| {
            let parsed = PasswordHash::new(&hash).map_err(|_| PasswordError::BadHash)?;
            Ok(argon2.verify_password(password, &parsed).is_ok())
        };
        match self.run(password, work).await {
            Err(PasswordError::TooLong) => Ok(false),
            other => other,
        }
    }

    /// The same work as [`Hasher::verify`] for an account that does not exist, so that time tells nothing (Q-A3).
    /// Always false.
    pub async fn dummy_verify(&self, password: &str) -> bool {
        let dummy = self.dummy.clone();
        let _ = self.verify(password, &dummy).await;
        false
    }

    /// Whether a stored hash was made with weaker parameters than today's and should be replaced at the next login.
    #[must_use]
    pub fn needs_rehash(hash: &str) -> bool {
        !hash.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$"))
    }

    async fn run<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&[u8]) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordError::TooLong);
        }
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Unavailable)?;
        tokio::task::spawn_blocking(move || {
            let result = work(&password);
            drop(permit);
            result
        })
        .await
        .map_err(|_| PasswordError::Unavailable)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_and_wrong_passwords() {
        let hasher = Hasher::new(2);
        let hash = hasher.hash("گذرواژهٔ خوب").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(!Hasher::needs_rehash(&hash));
        assert!(Hasher::needs_rehash("$argon2id$v=19$m=4096,t=3,p=1$x$y"));
        assert!(hasher.verify("گذرواژهٔ خوب", &hash).await.unwrap());
        assert!(!hasher.verify("گذرواژه خوب", &hash).await.unwrap());
        assert!(!hasher.dummy_verify("no account has this password").await);
        assert_ne!(hash, hasher.hash("گذرواژهٔ خوب").await.unwrap());
    }

    #[tokio::test]
    async fn too_long_or_unreadable() {
        let hasher = Hasher::new(1);
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert!(matches!(
            hasher.hash(&long).await,
            Err(PasswordError::TooLong)
        ));
        let hash = hasher.hash("x").await.unwrap();
        assert!(!hasher.verify(&long, &hash).await.unwrap());
        assert!(matches!(
            hasher.verify("x", "plain").await,
            Err(PasswordError::BadHash)
        ));
    }
}
