//! From the caller's form to the provider's, chunk by chunk.

use std::{io, sync::Arc, time::Duration};

use actix_multipart::{Field, Multipart};
use bytes::Bytes;
use futures_util::TryStreamExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    error::AiError,
    form::{self, Next, Writer},
};
use crate::providers::ai::TextError;

/// How long a provider may not read on.
const STALLED: Duration = Duration::from_secs(30);

/// What is known of a recording while it passes through.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) model: Option<String>,
    pub(super) bytes: u64,
}

/// Reads the caller's form and hands it on.
pub(super) struct Pump<'a> {
    pub(super) sender: mpsc::Sender<Result<Bytes, io::Error>>,
    pub(super) writer: Writer,
    pub(super) most: u64,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) default_model: &'a str,
}

/// The provider takes no more: it has answered, or failed.
struct Closed;

impl Pump<'_> {
    /// Reads to the end of the form, or until the provider takes no more.
    pub(super) async fn run(
        self,
        start: Vec<Bytes>,
        file: Option<Box<Field>>,
        form: Multipart,
    ) -> Result<(), AiError> {
        match self.pass_on(start, file, form).await {
            Ok(Ok(()) | Err(Closed)) => Ok(()),
            Err(error) => {
                // An error in the body, not its end: half a recording must not count as a whole one.
                let broken = io::Error::other("the caller's form broke off");
                let _ = self.sender.send_timeout(Err(broken), STALLED).await;
                Err(error)
            }
        }
    }

    async fn pass_on(
        &self,
        start: Vec<Bytes>,
        mut file: Option<Box<Field>>,
        mut form: Multipart,
    ) -> Result<Result<(), Closed>, AiError> {
        for bytes in start {
            if self.send(bytes).await?.is_err() {
                return Ok(Err(Closed));
            }
        }
        while let Some(open) = &mut file
            && let Some(chunk) = open
                .try_next()
                .await
                .map_err(|error| form::unreadable(&error))?
        {
            let size = {
                let mut progress = self.progress.lock();
                progress.bytes += chunk.len() as u64;
                progress.bytes
            };
            if size > self.most {
                return Err(AiError::TooLarge(self.most));
            }
            if self.send(chunk).await?.is_err() {
                return Ok(Err(Closed));
            }
        }
        drop(file);
        let mut tail = vec![Writer::end_of_file()];
        loop {
            match form::next(&mut form).await? {
                Next::Field(name, value) => {
                    tail.push(self.writer.field(name, &value));
                    if name == "model" {
                        self.progress.lock().model = Some(value);
                    }
                }
                Next::File(_) => {
                    return Err(AiError::Invalid("file", "One file is expected.".to_owned()));
                }
                Next::End => break,
            }
        }
        if self.progress.lock().model.is_none() {
            tail.push(self.writer.field("model", self.default_model));
        }
        tail.push(self.writer.end());
        for bytes in tail {
            if self.send(bytes).await?.is_err() {
                return Ok(Err(Closed));
            }
        }
        Ok(Ok(()))
    }

    async fn send(&self, bytes: Bytes) -> Result<Result<(), Closed>, AiError> {
        use mpsc::error::SendTimeoutError;
        match self.sender.send_timeout(Ok(bytes), STALLED).await {
            Ok(()) => Ok(Ok(())),
            Err(SendTimeoutError::Closed(_)) => Ok(Err(Closed)),
            Err(SendTimeoutError::Timeout(_)) => {
                Err(AiError::Provider(TextError::Network("timeout")))
            }
        }
    }
}
