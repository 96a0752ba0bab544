//! Heads and bodies as services write them, and as they must not.

use super::*;
use proptest::prelude::*;

fn head(text: &str) -> (usize, Head) {
    match parse(text.as_bytes(), false).unwrap() {
        Parsed::Head(used, head) => (used, head),
        other => panic!("{other:?}"),
    }
}

#[test]
fn heads_say_where_bodies_end() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\nServer: s\r\n\r\nhello";
    let (used, parsed) = head(text);
    assert_eq!(&text[used..], "hello");
    assert_eq!((parsed.length, parsed.keeps), (Length::Bytes(5), true));
    assert!(parsed.response.headers().contains_key("x-a"));
    assert!(!parsed.response.headers().contains_key("server"));
    let (_, chunked) = head("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
    assert_eq!(chunked.length, Length::Chunked(Chunk::Size));
    let (_, endless) = head("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((endless.length, endless.keeps), (Length::Close, false));
    let (_, old) = head("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n");
    assert!(!old.keeps);
    let (_, last) = head("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n\r\n");
    assert!(!last.keeps);
    for code in [204, 304] {
        let (_, none) = head(&format!("HTTP/1.1 {code} X\r\nContent-Length: 7\r\n\r\n"));
        assert_eq!((none.length, none.keeps), (Length::Bytes(0), true));
    }
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let Parsed::Head(_, to_head) = parse(answer.as_bytes(), true).unwrap() else {
        panic!("no head");
    };
    assert_eq!(
        (to_head.length, to_head.announced),
        (Length::Bytes(0), Some(9))
    );
    assert!(matches!(
        parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP", false).unwrap(),
        Parsed::Interim(25)
    ));
    assert!(matches!(
        parse(b"HTTP/1.1 200 OK\r\nA: ", false).unwrap(),
        Parsed::Partial
    ));
}

#[test]
fn answers_that_can_be_read_in_two_ways_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Content-Length : 5",
        "X: a\r\n folded",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
        assert!(parse(text.as_bytes(), false).is_err(), "{headers}");
    }
    assert!(parse(b"HTTP/2.0 200 OK\r\n\r\n", false).is_err());
    assert!(parse(b"GET / HTTP/1.1\r\n\r\n", false).is_err());
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD));
    assert!(parse(long.as_bytes(), false).is_err());
}

fn read(mut length: Length, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), Malformed> {
    let (mut held, mut all) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match length.take(&mut held)? {
                Piece::Bytes(bytes) => all.extend_from_slice(&bytes),
                Piece::More => break,
                Piece::End => return Ok((all, true, held.to_vec())),
            }
        }
    }
    Ok((all, false, held.to_vec()))
}

#[test]
fn wrong_chunks_are_refused() {
    let chunked = Length::Chunked(Chunk::Size);
    for text in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "0x5\r\n",
        " 5\r\n",
        "5\nhello",
        "5\r\nhelloX\r\n",
        "5\r\nhello\n\n",
        "1234567890abcdef\r\n",
    ] {
        assert_eq!(
            read(chunked, &[text.as_bytes()]),
            Err(Malformed),
            "{text:?}"
        );
    }
    let endless = vec![b'1'; MAX_LINE + 1];
    assert_eq!(read(chunked, &[&endless]), Err(Malformed));
}

proptest! {
    #[test]
    fn bodies_are_the_same_however_their_bytes_arrive(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let whole: Vec<u8> = parts.concat();
        let mut text = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let extension = if index % 2 == 0 { ";a=b" } else { "" };
            text.extend_from_slice(format!("{:X}{extension}\r\n", part.len()).as_bytes());
            text.extend_from_slice(part);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\nTrailer: x\r\n\r\nREST");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() - 4)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let (body, over, rest) = read(Length::Chunked(Chunk::Size), &pieces).unwrap();
        prop_assert_eq!((&body, over), (&whole, true));
        prop_assert_eq!(rest, b"REST".to_vec());
        let (body, over, _) = read(Length::Bytes(whole.len() as u64), &[&whole]).unwrap();
        prop_assert_eq!((body, over), (whole, true));
    }
}
