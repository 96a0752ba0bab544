//! Q-G3: no desync. Whatever framing a client tries, each request the gateway answers from a service is one request at
//! that service, and nothing else reaches it.

use futures_util::StreamExt;

use crate::harness::{Upstream, gate, status_of};

const SMUGGLED: &str = "GET /api/auth/otp/ID/smuggled HTTP/1.1\r\nHost: t\r\n\r\n";

/// Header lines and body of a POST, with `SMUGGLED` where an attacker hopes for a second request.
fn framings() -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    let mut add = |head: &str, body: &str| list.push((head.to_owned(), body.to_owned()));
    let smuggled_length = SMUGGLED.len() + 10;
    for te in [
        "chunked",
        "Chunked",
        "CHUNKED",
        " chunked",
        "chunked ",
        "\tchunked",
        "chunked\t",
        "chunked, identity",
        "identity, chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "identity",
        "gzip, chunked",
        "chunked,chunked",
        "chunked\x0b",
        "chu\x00nked",
        "x",
        "",
    ] {
        add(
            &format!("Transfer-Encoding: {te}"),
            &format!("0\r\n\r\n{SMUGGLED}"),
        );
        add(
            &format!("Content-Length: 5\r\nTransfer-Encoding: {te}"),
            &format!("0\r\n\r\n{SMUGGLED}"),
        );
        add(
            &format!("Transfer-Encoding: {te}\r\nContent-Length: {smuggled_length}"),
            &format!("0\r\n\r\n{SMUGGLED}"),
        );
    }
    for line in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "X: y\nTransfer-Encoding: chunked",
    ] {
        add(line, &format!("0\r\n\r\n{SMUGGLED}"));
    }
    for length in [
        "5, 5",
        "+5",
        "-5",
        "0x5",
        "5 ",
        " 5",
        "05",
        "5a",
        "",
        "99999999999999999999",
        "5;",
        "٥",
        "5.0",
        "1e1",
    ] {
        add(
            &format!("Content-Length: {length}"),
            &format!("hello{SMUGGLED}"),
        );
    }
    for line in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 50",
        "Content-Length : 5",
        "Content_Length: 50\r\nContent-Length: 5",
        "Content-Length: 5\r\n\tContent-Length: 50",
        "Connection: Content-Length\r\nContent-Length: 5",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        "Expect: 100-continue\r\nContent-Length: 5",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\nContent-Length: 5",
    ] {
        add(line, &format!("hello{SMUGGLED}"));
    }
    for chunks in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "5;ext=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "00\r\n\r\n",
        "0\r\nX-Trailer: evil\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello0\r\n\r\n",
    ] {
        add("Transfer-Encoding: chunked", &format!("{chunks}{SMUGGLED}"));
    }
    list
}

fn requests() -> Vec<Vec<u8>> {
    let mut requests: Vec<String> = framings()
        .into_iter()
        .map(|(head, body)| {
            format!("POST /api/auth/otp/ID/first HTTP/1.1\r\nHost: t\r\n{head}\r\n\r\n{body}")
        })
        .collect();
    for text in [
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\n\r\nGET /api/auth/otp/ID/b HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\nHost: t\n\nGET /api/auth/otp/ID/b HTTP/1.1\nHost: t\n\n",
        "GET /api/auth/otp/ID/a HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n",
        "GET  /api/auth/otp/ID/a  HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1 \r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/2.0\r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a\r\n\r\n",
        "\r\n\r\nGET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\n\r\n",
        "G\u{0}T /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\nX\u{0}: a\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t/../x\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\nPOST /api/auth/otp/ID/b HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc",
        "CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\nGET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\n\r\n",
        "TRACE /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /api/auth/otp/ID/a HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nGET /api/auth/otp/ID/b HTTP/1.1\r\nHost: t\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        requests.push(text.to_owned());
    }
    requests
        .into_iter()
        .enumerate()
        .map(|(index, text)| text.replace("ID", &format!("case{index}")).into_bytes())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g3_the_upstream_sees_exactly_what_the_gateway_answered_from_it() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let requests = requests();
    assert!(requests.len() >= 80, "{}", requests.len());
    let mut answers = futures_util::stream::iter(requests.iter().enumerate())
        .map(|(index, bytes)| {
            let gate = &gate;
            async move { (index, bytes, gate.raw(bytes).await) }
        })
        .buffer_unordered(24);
    while let Some((index, bytes, answer)) = answers.next().await {
        let marks = [format!("/case{index}/"), format!("/case{index} ")];
        let arrived: Vec<_> = upstream
            .seen()
            .into_iter()
            .filter(|seen| marks.iter().any(|mark| seen.target.contains(mark.trim())))
            .collect();
        let arrived: Vec<_> = arrived
            .iter()
            .filter(|seen| {
                seen.target
                    .split('/')
                    .any(|part| part == format!("case{index}"))
            })
            .collect();
        let answered = answer.matches("x-upstream: yes").count();
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            arrived.len(),
            answered,
            "{shown:?}\n→ {answer}\narrived: {arrived:?}"
        );
        for seen in arrived {
            assert!(
                seen.header("transfer-encoding")
                    .is_none_or(|value| value == "chunked"),
                "{seen:?}"
            );
            assert!(
                !(seen.header("transfer-encoding").is_some()
                    && seen.header("content-length").is_some()),
                "{seen:?}"
            );
            assert!(
                seen.header("x-trailer").is_none() && seen.header("upgrade").is_none(),
                "{seen:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g3_loose_framing_is_400_and_reaches_no_service() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let post = "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n";
    let get = "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n";
    for bytes in [
        "GET /api/auth/otp/x/ HTTP/1.1\nHost: t\n\n".to_owned(),
        "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\nX: y\r\n\r\n".to_owned(),
        format!("{get}X: y\n\r\n"),
        format!("{get}\n"),
        format!("{get}X: a\rY: b\r\n\r\n"),
        format!("{get}X: a\r\n b\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        format!("{post}Content-Length: 5, 5\r\n\r\nhello"),
        format!("{post}Upgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"),
    ] {
        let attempt = format!("{bytes}{SMUGGLED}");
        let answer = gate.raw(attempt.as_bytes()).await;
        assert_eq!(status_of(&answer), 400, "{bytes:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{bytes:?}: {answer}"
        );
    }
    assert_eq!(upstream.count(), 0, "{:?}", upstream.seen());
    assert_eq!(
        gate.post("/api/auth/otp/x/")
            .body("fine")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g3_ambiguous_framing_ends_the_connection() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
    ] {
        let request = format!(
            "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n{head}\r\n\r\n0\r\n\r\n{SMUGGLED}"
        );
        let answer = gate.raw(request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    assert_eq!(upstream.count(), 0);
}
