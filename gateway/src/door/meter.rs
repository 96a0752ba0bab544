//! The HTTP metrics, with handles kept per worker: the registry is asked once per (route, method, status).

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::Method;
use metrics::{Counter, Histogram};

/// The handles of one worker.
#[derive(Default)]
pub struct Meter {
    kept: RefCell<HashMap<Box<str>, OfRoute>>,
}

type OfRoute = HashMap<(&'static str, u16), Handles>;

struct Handles {
    calls: Counter,
    seconds: Histogram,
}

impl Meter {
    /// Notes one answer. `route` is a prefix of the table or one of the gateway's own names, never a client's text.
    pub fn record(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let method = label(method);
        let mut kept = self.kept.borrow_mut();
        if !kept.contains_key(route) {
            kept.insert(route.into(), HashMap::new());
        }
        let Some(of_route) = kept.get_mut(route) else {
            return;
        };
        let handles = of_route.entry((method, status)).or_insert_with(|| {
            let labels = [
                ("service", "gateway".to_owned()),
                ("route", route.to_owned()),
                ("method", method.to_owned()),
                ("status", status.to_string()),
            ];
            Handles {
                calls: metrics::counter!("http_requests_total", &labels),
                seconds: metrics::histogram!("http_request_duration_seconds", &labels),
            }
        });
        handles.calls.increment(1);
        handles.seconds.record(took.as_secs_f64());
    }
}

fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
