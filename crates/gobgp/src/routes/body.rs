//! The body of gRPC's answer, read as it comes: a message may be the whole
//! table, and shall not be in memory at once.

use super::path::Malformed;
use crate::fields::{Broken, Fields, Head};
use bytes::{Buf, BytesMut};

/// Fields of `WatchEventResponse` and of its `TableEvent`.
const TABLE: u64 = 3;
const PATHS: u64 = 2;

/// Before each message: whether it is compressed, and its length.
const HEADER: usize = 5;

/// A path is not longer than some BGP messages of at most 65535 octets.
const LONGEST: usize = 16 << 20;

/// A field's number and its length are two varints.
const LONGEST_HEAD: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Body {
    /// What came and was not read.
    buffer: BytesMut,
    /// What is left of the message; between messages `None`.
    message: Option<u64>,
    /// What is left of the table in it.
    table: Option<u64>,
}

/// What the body goes on with.
pub(super) enum Piece {
    /// Something that is cut off as yet.
    More,
    /// Nothing that is of interest; it was consumed.
    Nothing,
    /// A path's message of that length.
    Path(usize),
    /// The end of a message.
    End,
}

impl Body {
    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The first octets of what was not consumed.
    pub(super) fn content(&self, length: usize) -> &[u8] {
        &self.buffer[..length]
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.buffer.advance(length);
        for left in [&mut self.message, &mut self.table].into_iter().flatten() {
            *left = left.saturating_sub(length as u64);
        }
        // A field behind the table is the message's again.
        self.table = self.table.filter(|left| *left > 0);
    }

    /// Looks at the next field, or at what is between two messages.
    pub(super) fn piece(&mut self) -> Result<Piece, Malformed> {
        match self.message {
            None => self.header(),
            Some(0) => {
                self.message = None;
                Ok(Piece::End)
            }
            Some(left) => self.field(self.table.unwrap_or(left)),
        }
    }

    fn header(&mut self) -> Result<Piece, Malformed> {
        let Some(&[compressed, a, b, c, d]) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(Piece::More);
        };
        if compressed != 0 {
            return Err(Malformed::Compressed);
        }
        self.buffer.advance(HEADER);
        self.message = Some(u32::from_be_bytes([a, b, c, d]).into());
        Ok(Piece::Nothing)
    }

    /// A field of the table, or of the message around it; `left` is what is
    /// left of that.
    fn field(&mut self, left: u64) -> Result<Piece, Malformed> {
        let came = self
            .buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let cut_off = (came as u64) < left;
        let mut fields = Fields::of(&self.buffer[..came]);
        let (number, head) = match fields.head() {
            Err(Broken) if cut_off && came < LONGEST_HEAD => return Ok(Piece::More),
            head => head?,
        };
        let start = came - fields.rest().len();
        let length = match head {
            Head::Varint(_) => 0,
            Head::Length(length) | Head::Fixed(length) => length,
        };
        if length > left - start as u64 {
            return Err(Broken.into());
        }
        if number == TABLE && self.table.is_none() && matches!(head, Head::Length(_)) {
            self.consume(start);
            self.table = Some(length).filter(|length| *length > 0);
            return Ok(Piece::Nothing);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(Malformed::Long(length));
        }
        if length > came - start {
            return Ok(Piece::More);
        }
        self.consume(start);
        if number == PATHS && self.table.is_some() {
            return Ok(Piece::Path(length));
        }
        self.consume(length);
        Ok(Piece::Nothing)
    }
}
