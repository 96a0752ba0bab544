//! Why a token was refused.

/// A refusal of [`crate::Verifier`]. To the caller all but the last two are one and the same 401;
/// the kinds exist for logs, metrics and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not three base64url parts of strict JSON, or larger than [`crate::MAX_TOKEN_BYTES`].
    #[error("the token is malformed")]
    Malformed,
    /// Header other than exactly `alg` ES256, the expected `typ` and a `kid`.
    #[error("the token header is not acceptable")]
    BadHeader,
    /// No published key has this `kid`.
    #[error("the token was signed by an unknown key")]
    UnknownKey,
    /// The signature does not match.
    #[error("the token signature is wrong")]
    BadSignature,
    /// A required claim is absent or has another type.
    #[error("a claim is absent or has the wrong type")]
    BadClaims,
    /// `iss` is not our issuer.
    #[error("the token comes from another issuer")]
    WrongIssuer,
    /// `aud` is not this audience.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `token_type` or `typ` names another kind of token.
    #[error("the token is of another kind")]
    WrongKind,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The session or the user was revoked.
    #[error("the session has ended")]
    Revoked,
    /// The keys could not be fetched, so nothing can be said about the token.
    #[error("the signing keys are not available")]
    KeysUnavailable,
    /// No news of revocations for longer than the allowed time; sensitive routes refuse.
    #[error("the state of revocations is unknown")]
    RevocationsUnknown,
}

impl AuthError {
    /// The stable code for problem bodies and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "auth.token_malformed",
            Self::BadHeader => "auth.token_header",
            Self::UnknownKey => "auth.token_unknown_key",
            Self::BadSignature => "auth.token_signature",
            Self::BadClaims => "auth.token_claims",
            Self::WrongIssuer => "auth.token_issuer",
            Self::WrongAudience => "auth.token_audience",
            Self::WrongKind => "auth.token_kind",
            Self::Expired => "auth.token_expired",
            Self::NotYetValid => "auth.token_not_yet_valid",
            Self::Revoked => "auth.session_revoked",
            Self::KeysUnavailable => "auth.keys_unavailable",
            Self::RevocationsUnknown => "auth.revocations_unknown",
        }
    }

    /// True when the caller is not at fault: answer 503, not 401.
    #[must_use]
    pub fn is_unavailable(self) -> bool {
        matches!(self, Self::KeysUnavailable | Self::RevocationsUnknown)
    }
}
