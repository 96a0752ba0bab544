//! Values of keys that are not set.

pub(crate) fn host() -> String {
    "127.0.0.1".to_owned()
}
pub(crate) fn shutdown() -> u64 {
    30
}
pub(crate) fn connections() -> usize {
    10
}
pub(crate) fn statement() -> u64 {
    10_000
}
pub(crate) fn lock() -> u64 {
    3_000
}
pub(crate) fn idle() -> u64 {
    15_000
}
pub(crate) fn prefix() -> String {
    "tabib".to_owned()
}
pub(crate) fn filter() -> String {
    "info".to_owned()
}
pub(crate) fn issuer() -> String {
    "tabib-auth".to_owned()
}
pub(crate) fn portal_issuer() -> String {
    "tabib-portal".to_owned()
}
pub(crate) fn jwks_url() -> String {
    "http://127.0.0.1:8101/.well-known/jwks.json".to_owned()
}
pub(crate) fn portal_jwks_url() -> String {
    "http://127.0.0.1:8104/.well-known/jwks.json".to_owned()
}
pub(crate) fn revocations_url() -> String {
    "http://127.0.0.1:8101/internal/revocations".to_owned()
}
pub(crate) fn portal_revocations_url() -> String {
    "http://127.0.0.1:8104/internal/revocations".to_owned()
}
pub(crate) fn token_url() -> String {
    "http://127.0.0.1:8101/api/auth/oauth/token/".to_owned()
}
pub(crate) fn poll() -> u64 {
    2_000
}
