//! A text that is handed over as it is made. Who hangs up ends the provider's work too and pays for what was made until
//! then; a text that breaks off is charged for what arrived.

use std::time::{Duration, Instant};

use common_types::internal::integrations::AiUsage;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    call::Call,
    error::AiError,
    makers::Maker,
    reserve::Reservation,
    service::{TEXT, admit},
    settle::{self, Context, Partial},
};
use crate::{
    AppState,
    providers::ai::{Finish, Piece, Pieces, TextAnswer, TextError, estimate_tokens},
};

/// Parts that wait for a slow reader.
const WAITING_PARTS: usize = 32;

/// More of a text, or its end.
pub(crate) enum Part {
    Text(String),
    End {
        model: String,
        usage: AiUsage,
        finish: Finish,
    },
    /// The text broke off.
    Broken(TextError),
}

/// A text that has begun.
pub(crate) struct Streaming {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) parts: mpsc::Receiver<Part>,
}

/// Begins a text; answers when its first part is there.
///
/// # Errors
/// [`AiError`], as for a text in one piece.
pub(crate) async fn stream(
    state: &AppState,
    call: Call,
    provider: Option<&str>,
) -> Result<Streaming, AiError> {
    let (makers, reservation) =
        admit(state, &call, provider, state.settings.ai.stream_seconds).await?;
    let (sender, parts) = mpsc::channel(WAITING_PARTS);
    let id = match reservation {
        Reservation::New(id) => id,
        Reservation::Answered(answer) => {
            let known = answer.response;
            for part in [
                Part::Text(known.text),
                Part::End {
                    model: known.model.clone(),
                    usage: known.usage,
                    finish: answer.finish,
                },
            ] {
                sender
                    .try_send(part)
                    .map_err(|error| AiError::Unexpected(anyhow::anyhow!("{error}")))?;
            }
            return Ok(Streaming {
                id: answer.id,
                provider: known.provider,
                model: known.model,
                parts,
            });
        }
    };
    let (opened, begun) = oneshot::channel();
    tokio::spawn(make(Work {
        state: state.clone(),
        id,
        call,
        makers,
        opened,
        sender,
    }));
    let (provider, model) = begun
        .await
        .map_err(|error| AiError::Unexpected(error.into()))??;
    Ok(Streaming {
        id,
        provider,
        model,
        parts,
    })
}

struct Work {
    state: AppState,
    id: Uuid,
    call: Call,
    makers: Vec<Maker>,
    opened: oneshot::Sender<Result<(String, String), AiError>>,
    sender: mpsc::Sender<Part>,
}

async fn make(work: Work) {
    let Work {
        state,
        id,
        call,
        makers,
        opened,
        sender,
    } = work;
    let started = Instant::now();
    let idle = Duration::from_secs(state.settings.ai.stream_idle_seconds);
    let mut failure = None;
    for maker in &makers {
        match begin(maker, &call, idle).await {
            Ok((first, pieces)) => {
                // Nobody waits any more: `follow` sees it at the first part.
                let _ = opened.send(Ok((maker.provider.slug.clone(), maker.model.clone())));
                let context = Context::new(&maker.provider, TEXT, &call.bill, started);
                let text = Text {
                    state: &state,
                    id,
                    call: &call,
                    maker,
                    context,
                    sender,
                    idle,
                };
                if let Err(error) = text.follow(first, pieces).await {
                    tracing::error!(%error, "a streamed text could not be settled; its reservation returns by itself");
                }
                return;
            }
            Err(error) => {
                let next = error.is_transient();
                settle::note_failover(&maker.provider, &error, next);
                failure = Some((maker, error));
                if !next {
                    break;
                }
            }
        }
    }
    let outcome = match failure {
        None => AiError::NoProvider,
        Some((maker, error)) => {
            let context = Context::new(&maker.provider, TEXT, &call.bill, started);
            match settle::fail(&state, id, &context, &error, None).await {
                Ok(()) => error.into(),
                Err(unsettled) => unsettled,
            }
        }
    };
    let _ = opened.send(Err(outcome));
}

/// Asks one provider and waits for its first part; until then another one can take its place.
async fn begin(maker: &Maker, call: &Call, idle: Duration) -> Result<(Piece, Pieces), TextError> {
    let request = call.request(&maker.model);
    let mut pieces = maker.client.stream(&request).await?;
    match tokio::time::timeout(idle, pieces.next()).await {
        Err(_) => Err(TextError::Network("timeout")),
        Ok(None) => Err(TextError::Interrupted),
        Ok(Some(first)) => Ok((first?, pieces)),
    }
}

/// A text on its way from one provider to one reader.
struct Text<'a> {
    state: &'a AppState,
    id: Uuid,
    call: &'a Call,
    maker: &'a Maker,
    context: Context<'a>,
    sender: mpsc::Sender<Part>,
    idle: Duration,
}

/// How it ended.
enum Ended {
    Complete(String, Option<AiUsage>, Finish),
    Broken(TextError),
    /// The reader went away or does not read.
    Left,
}

impl Text<'_> {
    async fn follow(self, first: Piece, mut pieces: Pieces) -> Result<(), AiError> {
        let mut text = String::new();
        let ended = self.pass_on(first, &mut pieces, &mut text).await;
        // The provider stops when nobody listens.
        drop(pieces);
        let estimated = self.estimated(&text);
        match ended {
            Ended::Complete(model, counted, finish) => {
                let usage = counted.unwrap_or(estimated);
                let answer = TextAnswer {
                    text,
                    model: model.clone(),
                    usage,
                    raw_usage: serde_json::json!(usage),
                    finish,
                };
                settle::succeed(self.state, self.id, &self.context, answer).await?;
                let _ = self
                    .sender
                    .send_timeout(
                        Part::End {
                            model,
                            usage,
                            finish,
                        },
                        self.idle,
                    )
                    .await;
            }
            Ended::Broken(error) => {
                let partial = Partial {
                    model: self.maker.model.clone(),
                    usage: estimated,
                };
                settle::fail(self.state, self.id, &self.context, &error, Some(partial)).await?;
                let _ = self
                    .sender
                    .send_timeout(Part::Broken(error), self.idle)
                    .await;
            }
            Ended::Left => {
                let partial = Partial {
                    model: self.maker.model.clone(),
                    usage: estimated,
                };
                let left = TextError::Network("caller_left");
                settle::fail(self.state, self.id, &self.context, &left, Some(partial)).await?;
            }
        }
        Ok(())
    }

    async fn pass_on(&self, first: Piece, pieces: &mut Pieces, text: &mut String) -> Ended {
        let mut next = Some(Ok(first));
        loop {
            match next {
                Some(Ok(Piece::Text(more))) => {
                    text.push_str(&more);
                    if self
                        .sender
                        .send_timeout(Part::Text(more), self.idle)
                        .await
                        .is_err()
                    {
                        return Ended::Left;
                    }
                }
                Some(Ok(Piece::End {
                    model,
                    usage,
                    finish,
                })) => return Ended::Complete(model, usage, finish),
                Some(Err(error)) => return Ended::Broken(error),
                None => return Ended::Broken(TextError::Interrupted),
            }
            next = tokio::select! {
                () = self.sender.closed() => return Ended::Left,
                piece = tokio::time::timeout(self.idle, pieces.next()) => match piece {
                    Ok(piece) => piece,
                    Err(_) => return Ended::Broken(TextError::Network("timeout")),
                },
            };
        }
    }

    fn estimated(&self, text: &str) -> AiUsage {
        let prompt_tokens = self.call.request(&self.maker.model).prompt_tokens();
        let completion_tokens = estimate_tokens(text).min(i64::from(self.call.max_tokens));
        AiUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        }
    }
}
