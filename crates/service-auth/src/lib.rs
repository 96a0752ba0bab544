//! Who is calling, proved: tokens, keys, passwords, sealed values.
//!
//! Every service verifies every token itself with [`Verifier`]; the gateway's check is only the first one.
//! The crate holds no route and no table: `auth-otp` and `portal` own the keys and the sessions, this crate
//! holds the rules by which everybody reads them (RFC 7519, RFC 8725, RFC 9068; quality rows Q-A4 and Q-A6).
//!
//! * [`Verifier`]: strict JWT checks, keys by `kid` from JWKS, revocations consulted on every call.
//! * [`Signer`], [`KeySet`]: ES256 keys and their public set.
//! * [`ServiceTokens`], [`InternalClient`], [`ApiKeys`]: one service calling another.
//! * [`passwords`], [`sealed`], [`client_ip`], [`tokens`]: the small cryptographic tools.
//! * [`testing`]: an issuer with its own key and the list of bad tokens each service is tried with.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api_keys;
pub mod client_ip;
mod error;
pub mod internal_client;
mod jwks;
mod jws;
pub mod keys;
pub mod passwords;
mod refresher;
pub mod revocation;
pub mod sealed;
pub mod service_tokens;
pub mod testing;
pub mod tokens;
pub mod verifier;

pub use api_keys::{ApiKey, ApiKeys};
pub use error::AuthError;
pub use internal_client::{InternalClient, InternalError};
pub use jws::{MAX_TOKEN_BYTES, TokenKind};
pub use keys::{KeyError, KeySet, PublicKey, PublicKeys, Signer};
pub use passwords::Hasher;
pub use refresher::BackgroundTask;
pub use revocation::{RevocationSource, Revocations};
pub use sealed::{SealContext, SealError, Sealer};
pub use service_tokens::ServiceTokens;
pub use verifier::Verifier;
