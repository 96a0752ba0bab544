//! Who may call is settled before the form of the request: a stranger learns nothing from a 400 or a 404, and no body is read
//! for one.
//!
//! actix polls all arguments of a handler together and answers with the first that fails. Every caller in a signature
//! therefore announces itself here, and every form of a request waits until all who announced themselves are settled.

use std::{cell::Cell, rc::Rc};

use actix_web::{HttpMessage, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};
use tokio::sync::Notify;

use crate::error::ApiError;

/// The callers of one request that are not settled yet.
#[derive(Clone, Default)]
struct Admission(Rc<Pending>);

#[derive(Default)]
struct Pending {
    count: Cell<usize>,
    settled: Notify,
}

impl Admission {
    fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(admission) = extensions.get::<Self>() {
            return admission.clone();
        }
        let admission = Self::default();
        extensions.insert(admission.clone());
        admission
    }
}

/// Settles its caller when dropped, however the check ended.
struct Announced(Admission);

impl Drop for Announced {
    fn drop(&mut self) {
        let pending = &self.0.0;
        pending.count.set(pending.count.get().saturating_sub(1));
        if pending.count.get() == 0 {
            pending.settled.notify_waiters();
        }
    }
}

/// The check of who calls, as an extractor's future. Call it in `from_request` itself, so that the announcement is made before
/// any argument is polled.
pub fn admission<T, F>(
    request: &HttpRequest,
    check: impl FnOnce(HttpRequest) -> F,
) -> LocalBoxFuture<'static, Result<T, ApiError>>
where
    T: 'static,
    F: Future<Output = Result<T, ApiError>> + 'static,
{
    let admission = Admission::of(request);
    admission.0.count.set(admission.0.count.get() + 1);
    let announced = Announced(admission);
    let check = check(request.clone());
    Box::pin(async move {
        let _announced = announced;
        check.await
    })
}

/// Waits until every caller of the request is settled. A refused one ends the request before this returns.
pub async fn admitted(request: &HttpRequest) {
    let Some(admission) = request.extensions().get::<Admission>().cloned() else {
        return;
    };
    while admission.0.count.get() > 0 {
        let settled = admission.0.settled.notified();
        if admission.0.count.get() > 0 {
            settled.await;
        }
    }
}

/// What is read from the request at once; a refusal waits until the caller is admitted.
pub(crate) type Read<T> =
    Either<Ready<Result<T, ApiError>>, LocalBoxFuture<'static, Result<T, ApiError>>>;

pub(crate) fn after_admission<T: 'static>(
    request: &HttpRequest,
    read: Result<T, ApiError>,
) -> Read<T> {
    match read {
        Ok(value) => Either::Left(ready(Ok(value))),
        Err(refusal) => {
            let request = request.clone();
            Either::Right(Box::pin(async move {
                admitted(&request).await;
                Err(refusal)
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, FromRequest, HttpResponse, dev::Payload, test, web};
    use serde_json::Value;

    use super::*;
    use crate::{Json, Path, extract::Query, idempotency::Key};

    /// Looks the caller up as a verifier that has to ask for keys: not in the first poll. `x-who` is let in.
    struct Slow;

    impl FromRequest for Slow {
        type Error = ApiError;
        type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            admission(request, |request| async move {
                tokio::task::yield_now().await;
                if request.headers().contains_key("x-who") {
                    Ok(Self)
                } else {
                    Err(ApiError::token_invalid())
                }
            })
        }
    }

    async fn path(_: Path<i64>, _: Slow) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn query(_: Query<std::collections::HashMap<String, i64>>, _: Slow) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn key(_: Slow, _: Key) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn body(_: Slow, _: Json<Value>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn anyone(_: Option<Slow>, _: Path<i64>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    #[actix_web::test]
    async fn a_stranger_is_refused_before_the_form_of_the_request_and_a_friend_after() {
        let app = test::init_service(
            App::new()
                .route("/path/{id}", web::get().to(path))
                .route("/query", web::get().to(query))
                .route("/key", web::get().to(key))
                .route("/body", web::get().to(body))
                .route("/anyone/{id}", web::get().to(anyone)),
        )
        .await;
        for (uri, stranger, friend) in [
            ("/path/x", 401, 404),
            ("/path/1", 401, 200),
            ("/query?n=x", 401, 400),
            ("/key", 401, 400),
            ("/body", 401, 415),
            ("/anyone/x", 404, 404),
            ("/anyone/1", 200, 200),
        ] {
            let request = || {
                test::TestRequest::get()
                    .uri(uri)
                    .insert_header(("content-type", "text/plain"))
            };
            let answer = test::call_service(&app, request().to_request()).await;
            assert_eq!(answer.status(), stranger, "{uri}");
            let known = request().insert_header(("x-who", "friend")).to_request();
            assert_eq!(
                test::call_service(&app, known).await.status(),
                friend,
                "{uri}"
            );
        }
    }
}
