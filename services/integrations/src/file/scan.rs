//! The virus scanner, by the INSTREAM command of ClamAV's clamd: chunks of a length and so many bytes, an empty one at the
//! end, then one line of answer.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest answer that is read.
const ANSWER_BYTES: u64 = 4_096;

/// What the scanner said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was found.
    Clean,
    /// Something was found; its name.
    Found(String),
}

/// One stream under scan.
#[derive(Debug)]
pub(crate) struct Scan {
    stream: TcpStream,
    patience: Duration,
}

fn late() -> String {
    "no answer in time".to_owned()
}

impl Scan {
    /// Opens a stream at `host:port`.
    ///
    /// # Errors
    /// Why the scanner cannot be reached.
    pub(crate) async fn start(address: &str, patience: Duration) -> Result<Self, String> {
        let connect = timeout(patience, TcpStream::connect(address)).await;
        let stream = connect
            .map_err(|_| late())?
            .map_err(|error| error.to_string())?;
        let mut scan = Self { stream, patience };
        scan.write(b"zINSTREAM\0").await?;
        Ok(scan)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = timeout(self.patience, self.stream.write_all(bytes)).await;
        written
            .map_err(|_| late())?
            .map_err(|error| error.to_string())
    }

    /// Hands over a part.
    ///
    /// # Errors
    /// When the scanner went away, also because the stream is longer than it allows.
    pub(crate) async fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(bytes.len()).map_err(|error| error.to_string())?;
        self.write(&length.to_be_bytes()).await?;
        self.write(bytes).await
    }

    /// Ends the stream and reads the verdict.
    ///
    /// # Errors
    /// When the scanner says anything but clean or found.
    pub(crate) async fn finish(mut self) -> Result<Verdict, String> {
        self.write(&0_u32.to_be_bytes()).await?;
        let mut answer = Vec::new();
        let mut limited = (&mut self.stream).take(ANSWER_BYTES);
        let read = timeout(self.patience, limited.read_to_end(&mut answer)).await;
        read.map_err(|_| late())?
            .map_err(|error| error.to_string())?;
        verdict_of(&String::from_utf8_lossy(&answer))
    }
}

fn verdict_of(answer: &str) -> Result<Verdict, String> {
    let line = answer.trim_end_matches(['\0', '\n', '\r']);
    let said = line.strip_prefix("stream: ").unwrap_or(line);
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Verdict::Found(name.to_owned())),
        None if said == "OK" => Ok(Verdict::Clean),
        None => Err(format!("unexpected answer {said:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_is_an_answer() {
        assert_eq!(verdict_of("stream: OK\0"), Ok(Verdict::Clean));
        assert_eq!(
            verdict_of("stream: Win.Test.EICAR_HDB-1 FOUND\0"),
            Ok(Verdict::Found("Win.Test.EICAR_HDB-1".to_owned()))
        );
        for unclear in [
            "",
            "\0",
            "stream: ",
            "INSTREAM size limit exceeded. ERROR\0",
            "UNKNOWN COMMAND",
            "stream: OKAY",
        ] {
            assert!(verdict_of(unclear).is_err(), "{unclear}");
        }
    }
}
