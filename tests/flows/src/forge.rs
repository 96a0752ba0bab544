//! Tokens and webhooks as an attacker, or a very late client, would present them.

use anyhow::{Context, Result};
use base64::Engine;
use chrono::Utc;
use common_types::claims::AccessClaims;
use hmac::{Hmac, KeyInit, Mac};
use launcher::demo::session::claims;
use service_auth::{SealContext, Sealer, Signer};
use sha2::Sha256;
use uuid::Uuid;

use crate::Stage;

/// The person's own claims, signed by a key that auth-otp has never seen.
pub fn foreign_signature(token: &str) -> Result<String> {
    Ok(Signer::generate()?.sign_access(&own_claims(token)?)?)
}

/// The person's own token with a changed claim and the old signature.
pub fn changed_payload(token: &str) -> Result<String> {
    let mut parts: Vec<&str> = token.split('.').collect();
    let mut changed = claims(token)?;
    changed["superuser"] = true.into();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(changed.to_string());
    parts[1] = &payload;
    Ok(parts.join("."))
}

/// The person's own token without any signature (`alg: none`).
pub fn without_signature(token: &str) -> Result<String> {
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let payload = token.split('.').nth(1).context("not a JWT")?;
    Ok(format!(
        "{}.{payload}.",
        encode(r#"{"alg":"none","typ":"JWT"}"#)
    ))
}

/// The person's own token, truly signed by auth-otp's key, but ended two minutes ago. The key is
/// taken out of its database with the platform's own secrets, as nobody outside could.
pub async fn expired(stage: &Stage, token: &str) -> Result<String> {
    let mut late = own_claims(token)?;
    late.exp = Utc::now().timestamp() - 120;
    late.iat = late.exp - 900;
    late.nbf = late.iat;
    Ok(true_signer(stage).await?.sign_access(&late)?)
}

/// The key that signs access tokens on this platform.
async fn true_signer(stage: &Stage) -> Result<Signer> {
    let running = &stage.share.running;
    let mut url = running.database.clone();
    let cut = url.rfind('/').context("the database address has no path")?;
    url.truncate(cut);
    let url = format!("{url}/{}_auth_otp", running.namespace);
    let client = launcher::database::connect(&url).await?;
    let row = client
        .query_one(
            "SELECT id::text, kid, private_key FROM signing_keys \
             WHERE active_from <= now() ORDER BY active_from DESC LIMIT 1",
            &[],
        )
        .await?;
    let (id, kid, sealed): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let sealer = Sealer::from_settings(&serde_json::from_value(serde_json::json!({
        "active_key_id": "k1",
        "keys": {"k1": stage.secret("sealing_auth_otp")?},
    }))?)?;
    let place = SealContext {
        service: "auth-otp",
        table: "signing_keys",
        row: id.parse::<Uuid>()?,
        column: "private_key",
    };
    let pem = sealer.open(&place, &sealed)?;
    Ok(Signer::from_pem(Some(&kid), std::str::from_utf8(&pem)?)?)
}

/// `X-Signature` of a webhook body under a secret.
pub fn webhook_signature(secret: &str, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| anyhow::anyhow!("a secret of no length"))?;
    mac.update(body);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

fn own_claims(token: &str) -> Result<AccessClaims> {
    Ok(serde_json::from_value(claims(token)?)?)
}
