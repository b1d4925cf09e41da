//! Frames out of a stream of bytes, without the stream: what has been read of the next one.
//!
//! One frame at a time: the rest of what the peer has sent waits with the transport, which holds it
//! back. A header is judged before a byte of its body is asked for, as rustls' deframer does.

use super::{Accepts, FrameError, HEADER_LEN, Header, Kind};

/// The kind of a frame and its body.
pub type Whole<'a> = (Kind, &'a [u8]);

/// What has been read of one frame.
///
/// ```
/// use talaria_wire::control::Control;
/// use talaria_wire::frame::{Accepts, FrameBuffer, Kind};
/// use talaria_wire::reason::Farewell;
///
/// let sent = Control::Goodbye { reason: Farewell::Idle }.to_frame();
/// let mut stream = &sent[..];
/// let mut buffer = FrameBuffer::new(Accepts::OnLink);
/// loop {
///     let missing = buffer.missing()?;
///     if missing == 0 {
///         break;
///     }
///     let (read, rest) = stream.split_at(missing);
///     buffer.space().extend_from_slice(read);
///     stream = rest;
/// }
/// let (kind, body) = buffer.take();
/// assert_eq!(kind, Kind::Control);
/// assert!(Control::decode(body).is_ok());
/// # Ok::<(), talaria_wire::frame::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameBuffer {
    accepts: Accepts,
    head: Option<Header>,
    /// Of the header, or of the body once the header is whole.
    bytes: Vec<u8>,
    taken: bool,
}

impl FrameBuffer {
    /// Nothing yet, of the frames that `accepts` allows.
    #[must_use]
    pub fn new(accepts: Accepts) -> Self {
        Self { accepts, head: None, bytes: Vec::new(), taken: false }
    }

    /// How many bytes are to be read next; 0 once the frame is whole.
    ///
    /// # Errors
    /// [`FrameError`] if the header is none of a frame that belongs here. Nothing more can be read
    /// then.
    pub fn missing(&mut self) -> Result<usize, FrameError> {
        if self.taken {
            (self.head, self.taken) = (None, false);
            self.bytes.clear();
        }
        if self.head.is_none() {
            let Some(head) = self.bytes.first_chunk() else {
                return Ok(HEADER_LEN - self.bytes.len());
            };
            self.head = Some(Header::parse(*head, self.accepts)?);
            self.bytes.clear();
        }
        Ok(self.len() - self.bytes.len())
    }

    /// Where they are appended to, with room for just as many. No more may be: what follows belongs
    /// to another frame.
    pub fn space(&mut self) -> &mut Vec<u8> {
        self.bytes.reserve_exact(self.len() - self.bytes.len());
        &mut self.bytes
    }

    /// The frame that is whole, until the next call of [`FrameBuffer::missing`]: its kind and its
    /// body.
    ///
    /// # Panics
    /// If something of it is missing.
    pub fn take(&mut self) -> (Kind, &mut [u8]) {
        let head = self.head.filter(|head| head.len == self.bytes.len() && !self.taken);
        let head = head.expect("nothing is missing, and it is taken once");
        self.taken = true;
        (head.kind, &mut self.bytes)
    }

    /// Reads from the front of `bytes`: how many of them it took, and the frame that is whole now.
    ///
    /// A frame that lies whole in `bytes` is not copied, and nothing is kept between frames.
    ///
    /// # Errors
    /// [`FrameError`] if the header is none of a frame that belongs here. Nothing more can be read
    /// then.
    pub fn read<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> Result<(usize, Option<Whole<'a>>), FrameError> {
        if self.taken {
            (self.head, self.taken, self.bytes) = (None, false, Vec::new());
        }
        if self.head.is_none()
            && self.bytes.is_empty()
            && let Some((head, rest)) = bytes.split_first_chunk()
        {
            let head = Header::parse(*head, self.accepts)?;
            if let Some(body) = rest.get(..head.len) {
                return Ok((HEADER_LEN + head.len, Some((head.kind, body))));
            }
        }
        let mut used = 0;
        loop {
            let missing = self.missing()?;
            if missing == 0 {
                let (kind, body) = self.take();
                return Ok((used, Some((kind, body))));
            }
            let rest = &bytes[used..];
            if rest.is_empty() {
                return Ok((used, None));
            }
            let read = &rest[..missing.min(rest.len())];
            self.space().extend_from_slice(read);
            used += read.len();
        }
    }

    /// The length of what is being read.
    fn len(&self) -> usize {
        self.head.map_or(HEADER_LEN, |head| head.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Announcement;
    use crate::params::{Hops, Round, RoundShape};
    use proptest::prelude::*;

    fn accepts() -> Accepts {
        Accepts::FromEntry(RoundShape::new(Hops::new(1).unwrap(), 1).unwrap())
    }

    fn announcement(round: u64) -> Vec<u8> {
        Announcement { round: Round(round), opens_in_ms: 0, closes_in_ms: 1 }.to_frame().to_vec()
    }

    #[test]
    fn a_bad_header_is_refused_before_its_body() {
        for head in [[9, 0, 0, 0], [2, 0, 0, 8], [0, 0, 255, 255], [1, 0, 0, 15]] {
            let mut buffer = FrameBuffer::new(accepts());
            buffer.space().extend_from_slice(&head);
            assert!(buffer.missing().is_err(), "{head:?}");
        }
    }

    #[test]
    #[should_panic(expected = "taken once")]
    fn a_frame_is_taken_once() {
        let mut buffer = FrameBuffer::new(accepts());
        let frame = announcement(1);
        buffer.space().extend_from_slice(&frame[..HEADER_LEN]);
        buffer.missing().unwrap();
        buffer.space().extend_from_slice(&frame[HEADER_LEN..]);
        buffer.take();
        buffer.take();
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_whatever_pieces_they_come_in(
            frames in 1u64..6,
            pieces in prop::collection::vec(1usize..24, 1..8),
        ) {
            let bytes = (0..frames).flat_map(announcement).collect::<Vec<_>>();
            let (mut rest, mut rounds) = (&bytes[..], Vec::new());
            let mut buffer = FrameBuffer::new(accepts());
            let mut pieces = pieces.into_iter().cycle();
            while !rest.is_empty() {
                let missing = buffer.missing().unwrap();
                let piece = pieces.next().unwrap().min(missing);
                let (read, after) = rest.split_at(piece);
                buffer.space().extend_from_slice(read);
                rest = after;
                if buffer.missing().unwrap() == 0 {
                    let (kind, body) = buffer.take();
                    prop_assert_eq!(kind, Kind::Announcement);
                    rounds.push(Announcement::decode(body).unwrap().round.0);
                }
            }
            prop_assert_eq!(rounds, (0..frames).collect::<Vec<_>>());
        }

        #[test]
        fn frames_are_read_from_the_front_of_whatever_has_come(
            frames in 1u64..6,
            pieces in prop::collection::vec(1usize..48, 1..8),
        ) {
            let bytes = (0..frames).flat_map(announcement).collect::<Vec<_>>();
            let (mut rest, mut rounds) = (&bytes[..], Vec::new());
            let mut buffer = FrameBuffer::new(accepts());
            let mut pieces = pieces.into_iter().cycle();
            while !rest.is_empty() {
                let (mut piece, after) = rest.split_at(pieces.next().unwrap().min(rest.len()));
                rest = after;
                while !piece.is_empty() {
                    let (read, frame) = buffer.read(piece).unwrap();
                    prop_assert!(read > 0);
                    if let Some((kind, body)) = frame {
                        prop_assert_eq!(kind, Kind::Announcement);
                        rounds.push(Announcement::decode(body).unwrap().round.0);
                    }
                    piece = &piece[read..];
                }
            }
            prop_assert_eq!(rounds, (0..frames).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_lies_whole_in_what_has_come_is_not_copied() {
        let mut buffer = FrameBuffer::new(accepts());
        let bytes = [announcement(1), announcement(2)].concat();
        let (read, frame) = buffer.read(&bytes).unwrap();
        assert_eq!(frame.unwrap().1.as_ptr(), bytes[HEADER_LEN..].as_ptr());
        // One that came in pieces is, and nothing of it is kept.
        let (first, second) = bytes[read..].split_at(7);
        assert!(buffer.read(first).unwrap().1.is_none());
        assert_eq!(
            buffer.read(second).unwrap(),
            (second.len(), Some((Kind::Announcement, &bytes[read + HEADER_LEN..])))
        );
        assert_eq!(buffer.read(&[]).unwrap(), (0, None));
        assert_eq!(buffer.bytes.capacity(), 0);
        assert!(buffer.read(&[9, 0, 0, 0]).is_err());
    }
}
