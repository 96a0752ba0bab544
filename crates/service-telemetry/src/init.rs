//! Start-up of logs, traces and metrics; flushing at the end.

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use service_config::{LogFormat, TelemetrySettings};
use std::{
    panic::PanicHookInfo,
    sync::{Once, OnceLock},
    time::Duration,
};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Logs the whole body of each event that the broker returns: names and phone numbers among them.
const UNTOLD: &str = "lapin::returned_messages=off";

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();
static SERVICE: OnceLock<String> = OnceLock::new();

/// Libraries whose own spans would flood a trace, or feed the exporter with its own calls.
const TRACE_FILTER: &str = "info,hyper=off,hyper_util=off,h2=off,reqwest=off,lapin=off,rustls=off,opentelemetry=off,\
                            opentelemetry_sdk=off,opentelemetry_otlp=off,tokio_postgres=off,actix_server=off";

/// Seconds; from a cache hit to a slow vendor.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Keeps traces flowing; dropping it sends what is still buffered.
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "traces could not be flushed");
        }
    }
}

/// Starts logging, tracing and metrics for `service`. Safe to call twice: the second call changes nothing.
///
/// # Errors
/// When the filter or the OTLP address is not valid.
pub fn init(service: &str, settings: &TelemetrySettings) -> anyhow::Result<Guard> {
    if SERVICE.set(service.to_owned()).is_err() {
        return Ok(Guard { provider: None });
    }
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = provider(service, settings)?;
    let filter = log_filter(&settings.filter)?;
    let log = match settings.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_filter(filter).boxed(),
    };
    let trace = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tabib"))
        .with_filter(EnvFilter::new(TRACE_FILTER));
    // A test harness may have installed its own subscriber already; its logs are then as good.
    let _ = tracing_subscriber::registry()
        .with(log)
        .with(trace)
        .try_init();
    std::panic::set_hook(Box::new(log_panic));
    install_metrics()?;
    Ok(Guard {
        provider: Some(provider),
    })
}

/// Traces and metrics for tests: logs warnings to the test's output (or what `RUST_LOG` says), exports nothing. Safe to call often.
pub fn init_for_tests() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        let log = tracing_subscriber::fmt::layer()
            .with_test_writer()
            .with_filter(filter);
        let trace = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("tabib"))
            .with_filter(EnvFilter::new(TRACE_FILTER));
        let _ = tracing_subscriber::registry()
            .with(log)
            .with(trace)
            .try_init();
        let _ = install_metrics();
    });
}

/// Everything measured so far in Prometheus' text format; empty before [`init`].
#[must_use]
pub fn metrics_text() -> String {
    PROMETHEUS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

/// The name given to [`init`].
pub(crate) fn service_name() -> &'static str {
    SERVICE.get().map_or("tabib", String::as_str)
}

/// Without an OTLP address spans still get ids, so that logs can be joined and context passed on; nothing is written into them,
/// unless the caller wants its trace whole.
fn provider(service: &str, settings: &TelemetrySettings) -> anyhow::Result<SdkTracerProvider> {
    let resource = Resource::builder()
        .with_service_name(format!("tabib-{service}"))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = settings.otlp_endpoint.as_deref().filter(|e| !e.is_empty()) else {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        return Ok(builder.with_sampler(sampler).build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("telemetry.otlp_endpoint cannot be used")?;
    // The batch processor owns an OS thread with a blocking client: it does not touch the runtimes of actix.
    Ok(builder.with_batch_exporter(exporter).build())
}

fn install_metrics() -> anyhow::Result<()> {
    if PROMETHEUS.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)?
        .install_recorder()
        .context("a metrics recorder is installed already")?;
    if PROMETHEUS.set(handle.clone()).is_ok() {
        // Samples wait in memory until someone scrapes; without scrapes they must be folded regularly.
        std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(move || {
                loop {
                    std::thread::sleep(Duration::from_secs(5));
                    handle.run_upkeep();
                }
            })?;
    }
    Ok(())
}

/// Logs where it happened and a literal message; formatted messages may hold personal data and stay out.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(formatted message withheld)");
    tracing::error!(location, message, "panic");
}

/// What is logged: the settings' filter, but never what would show personal data.
fn log_filter(filter: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(filter).context("telemetry.filter is not a valid filter")?;
    Ok(filter.add_directive(UNTOLD.parse().context("the untold directive")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_address_spans_have_ids_and_only_a_sampled_caller_has_them_filled() {
        use opentelemetry::{
            Context,
            trace::{
                Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId,
                Tracer as _,
            },
        };
        let provider = provider("t", &TelemetrySettings::default()).unwrap();
        let tracer = provider.tracer("t");
        let alone = tracer.start("alone");
        assert!(alone.span_context().is_valid() && !alone.is_recording());
        for (flags, filled) in [(TraceFlags::SAMPLED, true), (TraceFlags::default(), false)] {
            let caller = SpanContext::new(
                TraceId::from(7),
                SpanId::from(7),
                flags,
                true,
                Default::default(),
            );
            let parent = Context::new().with_remote_span_context(caller);
            let span = tracer.start_with_context("called", &parent);
            assert_eq!(span.span_context().trace_id(), TraceId::from(7));
            assert_eq!(span.is_recording(), filled);
            assert_eq!(span.span_context().trace_flags(), flags);
        }
    }

    #[test]
    fn bodies_of_returned_events_are_never_logged() {
        for filter in [
            "info",
            "trace",
            "lapin=trace",
            "lapin::returned_messages=trace",
        ] {
            let filter = log_filter(filter).unwrap().to_string();
            assert!(filter.contains(UNTOLD), "{filter}");
            assert!(!filter.contains("returned_messages=trace"), "{filter}");
        }
        assert!(log_filter("=,=").is_err());
    }
}
