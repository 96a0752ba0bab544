//! What is said in a recording. The recording passes through while it comes in: it is neither collected nor kept, so another
//! provider can be asked only as long as nothing of it was taken.

use std::{io, sync::Arc, time::Instant};

use actix_multipart::Multipart;
use bytes::Bytes;
use chrono::TimeDelta;
use common_types::internal::integrations::AiUsage;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    call::Bill,
    error::AiError,
    form::{self, Next, Writer},
    pump::{Progress, Pump},
    reserve::{Reservation, Ticket, reserve},
    settle::{self, Context, Made},
};
use crate::{
    AppState,
    providers::{
        LiveProvider,
        ai::{
            audio::{AudioProvider, Transcript},
            estimate_tokens,
        },
    },
    rate_rule,
};

/// How calls for transcripts are named in logs and rules.
pub(crate) const AUDIO: &str = "audio_transcription";
/// What calls for transcripts are for, in our own rows.
pub(crate) const PURPOSE: &str = "transcription";
/// Bytes of a second of speech at the lowest quality that is expected (16 kbit/s); from it the longest recording is estimated.
const BYTES_PER_SECOND: u64 = 2_000;
/// Tokens of a second of fast speech.
const TOKENS_PER_SECOND: i64 = 4;
/// Chunks that wait for a slow provider.
const WAITING_CHUNKS: usize = 16;
/// Bytes that the other fields of a form may have.
const FORM_BYTES: u64 = 64 * 1024;

/// A transcript and what it cost.
pub(crate) struct Transcribed {
    pub(crate) transcript: Transcript,
    pub(crate) text: String,
    pub(crate) model: String,
    pub(crate) provider: String,
    pub(crate) seconds: f64,
}

type Chunks = mpsc::Receiver<Result<Bytes, io::Error>>;
type Writers = Vec<(LiveProvider, Box<dyn AudioProvider>)>;

/// Writes down what is said in the recording of `form`; `length` is the form's, when it was announced.
///
/// # Errors
/// [`AiError`].
pub(crate) async fn transcribe(
    state: &AppState,
    bill: Bill,
    mut form: Multipart,
    length: Option<u64>,
) -> Result<Transcribed, AiError> {
    let most = state.settings.ai.audio_bytes;
    if length.is_some_and(|length| length > most + FORM_BYTES) {
        return Err(AiError::TooLarge(most));
    }
    let writers = writers(state, &bill).await?;
    let who = rate_rule::Who {
        user: Some(bill.payer()),
        organization: Some(bill.organization_id),
        ip: bill.origin.ip,
    };
    let first = writers.first().map(|(provider, _)| provider.id);
    rate_rule::admit(state, AUDIO, first, &who)
        .await
        .map_err(AiError::Throttled)?;
    let writer = Writer::new();
    let mut progress = Progress::default();
    let mut start = Vec::new();
    let mut file = loop {
        match form::next(&mut form).await? {
            Next::Field(name, value) => {
                start.push(writer.field(name, &value));
                if name == "model" {
                    progress.model = Some(value);
                }
            }
            Next::File(file) => break file,
            Next::End => {
                return Err(AiError::Invalid(
                    "file",
                    "No file was submitted.".to_owned(),
                ));
            }
        }
    };
    let (head, whole) = form::head(&mut file).await?;
    let (mime, extension) = form::kind(&head).ok_or_else(|| {
        AiError::Invalid(
            "file",
            "A recording in mp3, mp4, mpeg, m4a, ogg, wav, webm or flac is expected.".to_owned(),
        )
    })?;
    let ticket = ticket(state, &writers, progress.model.as_deref(), length)?;
    let id = match reserve(state, &bill, &ticket).await? {
        Reservation::New(id) => id,
        Reservation::Answered(known) => return Ok(answered(known.response)),
    };
    progress.bytes = head.len() as u64;
    start.push(writer.file(mime, extension));
    start.push(head.into());
    let progress = Arc::new(Mutex::new(progress));
    let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
    // A caller that hangs up must not leave the reservation open, hence a task of its own.
    let task = tokio::spawn(ask(Work {
        state: state.clone(),
        id,
        bill,
        writers,
        boundary: writer.boundary().to_owned(),
        chunks,
        progress: Arc::clone(&progress),
    }));
    let pump = Pump {
        sender,
        writer,
        most,
        progress,
        default_model: &state.settings.ai.audio_model,
    };
    let rest = (!whole).then_some(file);
    let pumped = pump.run(start, rest, form).await;
    let asked = task
        .await
        .map_err(|error| AiError::Unexpected(error.into()))?;
    // Why the form broke off says more than that the provider got no whole form.
    pumped.and(asked)
}

async fn writers(state: &AppState, bill: &Bill) -> Result<Writers, AiError> {
    let live = state.registry.of_type(state, "ai").await?;
    let writers: Writers = live
        .into_iter()
        .filter_map(|provider| {
            let client = provider.audio(state, Some(bill.organization_id))?;
            Some((provider, client))
        })
        .collect();
    if writers.is_empty() {
        return Err(AiError::NoProvider);
    }
    Ok(writers)
}

fn price_of(state: &AppState, model: &str) -> i64 {
    let prices = &state.settings.ai.audio_prices;
    prices
        .get(model)
        .or_else(|| prices.get("default"))
        .copied()
        .unwrap_or(0)
}

/// Price of `seconds` at a price per minute, rounded up.
fn cost(per_minute: i64, seconds: f64) -> i64 {
    // A recording of 25 MB has far fewer seconds than a float counts exactly.
    #[allow(clippy::cast_possible_truncation)]
    let milliseconds = (seconds.max(0.0) * 1_000.0).ceil() as i64;
    per_minute
        .saturating_mul(milliseconds)
        .saturating_add(59_999)
        / 60_000
}

fn seconds_of(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_SECOND)
}

/// What the longest recording of this size may cost; the model may still follow behind the recording.
fn ticket(
    state: &AppState,
    writers: &Writers,
    model: Option<&str>,
    length: Option<u64>,
) -> Result<Ticket, AiError> {
    let settings = &state.settings.ai;
    let (provider, _) = writers.first().ok_or(AiError::NoProvider)?;
    let seconds = seconds_of(length.unwrap_or(settings.audio_bytes));
    let per_minute = match model {
        Some(model) => price_of(state, model),
        None => settings.audio_prices.values().copied().max().unwrap_or(0),
    };
    let counted = i64::try_from(seconds).unwrap_or(i64::MAX);
    Ok(Ticket {
        provider: provider.slug.clone(),
        model: model.unwrap_or(&settings.audio_model).to_owned(),
        tokens: counted.saturating_mul(TOKENS_PER_SECOND),
        cost_micros: per_minute.saturating_mul(counted).saturating_add(59) / 60,
        lifetime: TimeDelta::seconds(i64::try_from(settings.stream_seconds).unwrap_or(120))
            * i32::try_from(writers.len()).unwrap_or(1),
    })
}

/// The transcript that the same key had.
fn answered(known: common_types::internal::integrations::AiGenerateResponse) -> Transcribed {
    let body = serde_json::json!({"text": known.text}).to_string();
    Transcribed {
        transcript: Transcript {
            body: body.into(),
            content_type: "application/json".to_owned(),
            seconds: None,
            tokens: None,
        },
        text: known.text,
        model: known.model,
        provider: known.provider,
        seconds: 0.0,
    }
}

struct Work {
    state: AppState,
    id: Uuid,
    bill: Bill,
    writers: Writers,
    boundary: String,
    chunks: Chunks,
    progress: Arc<Mutex<Progress>>,
}

/// The body of one request; the recording goes to the first that is read.
fn body_of(
    shared: Arc<Mutex<Option<Chunks>>>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    stream::try_unfold((shared, None), |(shared, mut mine)| async move {
        if mine.is_none() {
            mine = shared.lock().take();
        }
        let Some(chunks): &mut Option<Chunks> = &mut mine else {
            return Err(io::Error::other("the recording is gone"));
        };
        match chunks.recv().await {
            Some(chunk) => Ok(Some((chunk?, (shared, mine)))),
            None => Ok(None),
        }
    })
}

async fn ask(work: Work) -> Result<Transcribed, AiError> {
    let Work {
        state,
        id,
        bill,
        writers,
        boundary,
        chunks,
        progress,
    } = work;
    let started = Instant::now();
    let chunks = Arc::new(Mutex::new(Some(chunks)));
    let mut failure = None;
    for (provider, client) in &writers {
        let body = reqwest::Body::wrap_stream(body_of(Arc::clone(&chunks)));
        match client.transcribe(&boundary, body).await {
            Ok(transcript) => {
                let context = Context::new(provider, AUDIO, &bill, started);
                return settle_transcript(&state, id, &context, provider, transcript, &progress)
                    .await;
            }
            Err(error) => {
                let untouched = chunks.lock().is_some();
                let next = untouched && error.is_transient();
                settle::note_failover(provider, &error, next);
                failure = Some((provider, error));
                if !next {
                    break;
                }
            }
        }
    }
    let (provider, error) = failure.ok_or(AiError::NoProvider)?;
    let context = Context::new(provider, AUDIO, &bill, started);
    settle::fail(&state, id, &context, &error, None).await?;
    Err(error.into())
}

async fn settle_transcript(
    state: &AppState,
    id: Uuid,
    context: &Context<'_>,
    provider: &LiveProvider,
    transcript: Transcript,
    progress: &Mutex<Progress>,
) -> Result<Transcribed, AiError> {
    let (model, bytes) = {
        let progress = progress.lock();
        (progress.model.clone(), progress.bytes)
    };
    let model = model.unwrap_or_else(|| state.settings.ai.audio_model.clone());
    let text = transcript.text();
    #[allow(clippy::cast_precision_loss)]
    let seconds = transcript
        .seconds
        .unwrap_or_else(|| seconds_of(bytes) as f64);
    let (prompt_tokens, completion_tokens) =
        transcript.tokens.unwrap_or((0, estimate_tokens(&text)));
    let made = Made {
        text: &text,
        model: &model,
        usage: AiUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        },
        cost_micros: cost(price_of(state, &model), seconds),
    };
    settle::succeed_with(state, id, context, &made).await?;
    Ok(Transcribed {
        transcript,
        text,
        model,
        provider: provider.slug.clone(),
        seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_price_and_a_part_of_it_is_rounded_up() {
        assert_eq!(cost(6_000, 60.0), 6_000);
        assert_eq!(cost(6_000, 1.0), 100);
        assert_eq!(cost(6_000, 0.001), 1);
        assert_eq!(cost(6_000, 0.0), 0);
        assert_eq!(seconds_of(2_001), 2);
    }
}
