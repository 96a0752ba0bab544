//! Watches the frames of one direction (RFC 6455 section 5) without unpacking them: size, masking, opcodes, order.

use thiserror::Error;

/// Why a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A frame larger than the cap: close code 1009.
    #[error("a frame is too large")]
    TooLarge,
    /// Not what RFC 6455 allows this side to send: close code 1002.
    #[error("a frame breaks the protocol")]
    Protocol,
}

impl FrameError {
    /// An unmasked close frame with the code, for the client.
    pub fn close_frame(self) -> [u8; 4] {
        close_frame(match self {
            Self::TooLarge => 1009,
            Self::Protocol => 1002,
        })
    }
}

/// An unmasked close frame.
pub fn close_frame(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x88, 2, high, low]
}

/// The state between chunks of bytes, which end anywhere.
#[derive(Debug)]
pub struct FrameWatch {
    most: u64,
    /// Whether frames are masked: a client's are, a service's are not.
    masked: bool,
    head: [u8; 14],
    have: u8,
    /// Payload bytes of the present frame still to come.
    left: u64,
    fragmented: bool,
}

impl FrameWatch {
    /// A watch on what a client sends, with this cap on a frame's payload.
    pub fn client(most: u64) -> Self {
        Self::new(most, true)
    }

    /// A watch on what a service sends.
    pub fn service() -> Self {
        Self::new(u64::MAX, false)
    }

    /// Whether the last frame is complete, so that another may be put after it.
    pub fn is_between_frames(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    fn new(most: u64, masked: bool) -> Self {
        Self {
            most,
            masked,
            head: [0; 14],
            have: 0,
            left: 0,
            fragmented: false,
        }
    }

    /// Looks at the next bytes.
    ///
    /// # Errors
    /// [`FrameError`]; nothing of these bytes should be passed on.
    pub fn look(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.left -= skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            self.head[usize::from(self.have)] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have >= 2 && self.have == self.head_length()? {
                self.left = self.finish_head()?;
                self.have = 0;
            }
        }
        Ok(())
    }

    /// Bytes of a head whose first two are known; checks those two.
    fn head_length(&self) -> Result<u8, FrameError> {
        let (first, second) = (self.head[0], self.head[1]);
        let opcode = first & 0x0f;
        let control = opcode >= 0x8;
        let last = first & 0x80 != 0;
        let short = second & 0x7f;
        // No extension is ever negotiated through the gateway, so the reserved bits are zero.
        let known = matches!(opcode, 0x0 | 0x1 | 0x2 | 0x8 | 0x9 | 0xa);
        let masked = second & 0x80 != 0;
        if first & 0x70 != 0
            || !known
            || masked != self.masked
            || (control && (!last || short > 125))
        {
            return Err(FrameError::Protocol);
        }
        let mask = if masked { 4 } else { 0 };
        Ok(mask
            + match short {
                126 => 4,
                127 => 10,
                _ => 2,
            })
    }

    fn finish_head(&mut self) -> Result<u64, FrameError> {
        let length = match self.head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => u64::from_be_bytes(self.head[2..10].try_into().unwrap_or([0xff; 8])),
            short => u64::from(short),
        };
        if length > self.most {
            return Err(FrameError::TooLarge);
        }
        let last = self.head[0] & 0x80 != 0;
        match self.head[0] & 0x0f {
            0x0 if !self.fragmented => return Err(FrameError::Protocol),
            0x0 => self.fragmented = !last,
            0x1 | 0x2 if self.fragmented => return Err(FrameError::Protocol),
            0x1 | 0x2 => self.fragmented = !last,
            _ => {}
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: u64, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        if length < 126 {
            bytes.push(mask | u8::try_from(length).unwrap());
        } else if length < 65536 {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        } else {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
        bytes.extend([0; 4]);
        bytes.resize(
            bytes.len() + usize::try_from(length.min(1 << 20)).unwrap(),
            7,
        );
        bytes
    }

    #[test]
    fn good_streams_pass_however_they_are_cut() {
        let mut stream = Vec::new();
        for length in [0, 1, 125, 126, 65535, 65536] {
            stream.extend(frame(0x81, length, true));
        }
        stream.extend(frame(0x01, 3, true));
        stream.extend(frame(0x89, 2, true));
        stream.extend(frame(0x80, 3, true));
        stream.extend(frame(0x88, 2, true));
        for size in [1, 2, 3, 7, 1000, stream.len()] {
            let mut watch = FrameWatch::client(65536);
            for chunk in stream.chunks(size) {
                watch.look(chunk).unwrap();
            }
        }
    }

    #[test]
    fn bad_frames_are_named() {
        for (bytes, error) in [
            (frame(0x81, 65537, true), FrameError::TooLarge),
            (frame(0x82, u64::MAX, true), FrameError::TooLarge),
            (frame(0x81, 5, false), FrameError::Protocol),
            (frame(0xc1, 5, true), FrameError::Protocol),
            (frame(0x83, 5, true), FrameError::Protocol),
            (frame(0x09, 5, true), FrameError::Protocol),
            (frame(0x89, 126, true), FrameError::Protocol),
            (frame(0x80, 5, true), FrameError::Protocol),
            (
                [frame(0x01, 1, true), frame(0x81, 1, true)].concat(),
                FrameError::Protocol,
            ),
        ] {
            assert_eq!(
                FrameWatch::client(65536).look(&bytes),
                Err(error),
                "{:x?}",
                &bytes[..2]
            );
        }
        assert_eq!(FrameError::TooLarge.close_frame(), [0x88, 2, 0x03, 0xf1]);
    }

    #[test]
    fn a_services_frames_are_unmasked_and_their_ends_are_known() {
        let mut watch = FrameWatch::service();
        let whole = b"\x81\x03abc\x82\x7e\x00\x80";
        assert!(watch.is_between_frames());
        for (at, byte) in whole.iter().enumerate() {
            watch.look(&[*byte]).unwrap();
            assert_eq!(watch.is_between_frames(), at == 4, "{at}");
        }
        watch.look(&[7; 128]).unwrap();
        assert!(watch.is_between_frames());
        assert_eq!(watch.look(&frame(0x81, 3, true)), Err(FrameError::Protocol));
    }
}
