//! What connections cost in memory while nothing happens on them.

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::report::Report;

const IDLE: usize = 10_000;
const WEBSOCKETS: usize = 1_000;

/// KiB per connection that was opened, answered once and is kept.
pub(super) async fn idle(process: &Process, report: &mut Report) -> Result<f64> {
    let before = process.resident_kib()?;
    let mut kept = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let Ok(mut stream) = TcpStream::connect(process.address).await else {
            report.note(format!(
                "only {} idle connections: the limit of open files is lower",
                kept.len()
            ));
            break;
        };
        let answer = ask(
            &mut stream,
            "GET /health/live HTTP/1.1\r\nHost: bench\r\n\r\n",
        )
        .await?;
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "a wrong answer on a kept connection"
        );
        kept.push(stream);
    }
    let after = process.resident_kib()?;
    Ok((after - before) / kept.len().max(1) as f64)
}

/// KiB per joined WebSocket, both of its connections, after a frame in each direction.
pub(super) async fn websockets(process: &Process, token: &str) -> Result<f64> {
    let handshake = format!(
        "GET /ws/bench/ HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let before = process.resident_kib()?;
    let mut kept = Vec::with_capacity(WEBSOCKETS);
    for _ in 0..WEBSOCKETS {
        let mut stream = TcpStream::connect(process.address).await?;
        let answer = ask(&mut stream, &handshake).await?;
        ensure!(
            answer.starts_with(b"HTTP/1.1 101"),
            "a WebSocket was refused: {}",
            String::from_utf8_lossy(&answer)
        );
        // A masked text frame; the upstream answers every piece with one of its own.
        stream.write_all(b"\x81\x82\0\0\0\0hi").await?;
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).await?;
        ensure!(frame == super::upstream::FRAME, "a wrong frame came back");
        kept.push(stream);
    }
    let after = process.resident_kib()?;
    Ok((after - before) / WEBSOCKETS as f64)
}

async fn ask(stream: &mut TcpStream, request: &str) -> Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 2048];
    let count = stream.read(&mut buffer).await?;
    buffer.truncate(count);
    Ok(buffer)
}
