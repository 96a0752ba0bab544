//! Our tokens and our key set in the hands of another library: PyJWT reads what we publish and verifies what we sign.

use serde_json::Value;
use service_testing::run_vendor_python;

use crate::harness::{App, PHONE, text};

const PYJWT: &str = r#"
import json, sys, jwt
jwks_url, token, issuer = sys.argv[1:4]
key = jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt(token)
options = {"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]}
claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="tabib", issuer=issuer, options=options, leeway=60)
head, body, signature = token.split(".")
other = ("A" if signature[0] != "A" else "B") + signature[1:]
refused = []
for name, bad, audience in (("signature", ".".join((head, body, other)), "tabib"), ("audience", token, "internal")):
    try: jwt.decode(bad, key.key, algorithms=["ES256"], audience=audience, issuer=issuer, leeway=60)
    except jwt.InvalidTokenError: refused.append(name)
print(json.dumps(dict(claims=claims, header=jwt.get_unverified_header(token), refused=refused)))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a09_pyjwt_verifies_our_tokens_from_the_published_keys() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let access = text(&login, "access");
    let jwks = format!("{}/.well-known/jwks.json", app.base);
    let issuer = app.state.settings.auth.issuer.clone();
    // After a rotation the old key is still published, so the same token still verifies.
    for rotated in [false, true] {
        if rotated {
            app.state.keys.rotate().await.unwrap();
        }
        let said = run_vendor_python(PYJWT, &[&jwks, &access, &issuer]).await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["header"]["alg"], "ES256");
        assert_eq!(said["claims"]["token_type"], "access");
        assert_eq!(said["claims"]["user_id"], login["user"]["id"].to_string());
        let lifetime =
            said["claims"]["exp"].as_i64().unwrap() - said["claims"]["iat"].as_i64().unwrap();
        assert_eq!(lifetime, 900, "A09: 15 minutes");
        assert_eq!(
            said["refused"],
            serde_json::json!(["signature", "audience"])
        );
    }
}
