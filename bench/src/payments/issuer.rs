//! The stand-in for auth-otp: it publishes the key of the run's tokens and revokes nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use common_types::claims::{ACCESS_AUDIENCE, AccessClaims};
use common_types::{ClinicRole, Language};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use service_auth::Signer;
use tokio::net::TcpListener;
use uuid::Uuid;

/// The issuer's name.
pub(super) const ISSUER: &str = "https://bench.example";

/// A thread of its own, and the key.
pub(super) struct Issuer {
    signer: Signer,
    pub(super) address: SocketAddr,
}

impl Issuer {
    pub(super) async fn start() -> Result<Self> {
        let signer = Signer::generate()?;
        let keys = serde_json::to_string(&signer.jwks())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.into_std()?;
        std::thread::Builder::new()
            .name("issuer".into())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                else {
                    return;
                };
                runtime.block_on(serve(listener, keys.into()));
            })?;
        Ok(Self { signer, address })
    }

    /// A doctor's token for as long as a run takes.
    pub(super) fn token(&self, person: Uuid, organization: Uuid) -> Result<String> {
        let now = chrono::Utc::now().timestamp();
        Ok(self.signer.sign_access(&AccessClaims {
            iss: ISSUER.into(),
            aud: ACCESS_AUDIENCE.into(),
            sub: person,
            exp: now + 900,
            iat: now,
            nbf: now,
            jti: Uuid::now_v7(),
            sid: Uuid::now_v7(),
            token_type: "access".into(),
            user_id: "1".into(),
            org: Some(organization),
            clinic_role: Some(ClinicRole::Doctor),
            content_role: None,
            superuser: false,
            group: 0,
            lang: Language::Fa,
            name: "Bench".into(),
            stepped_up_at: None,
        })?)
    }
}

async fn serve(listener: std::net::TcpListener, keys: Arc<str>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let keys = Arc::clone(&keys);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&keys)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    keys: Arc<str>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/jwks" => keys.to_string(),
        _ => r#"{"cursor":0,"revocations":[]}"#.to_owned(),
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    answer.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    Ok(answer)
}
