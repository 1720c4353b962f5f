//! A protobuf message, field by field, without building anything: for what is
//! too large, or too unknown, to be decoded whole.

/// The fields that are left of an encoded message, in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// A field is longer than its message, or of no wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is cut off or no protobuf")]
pub(crate) struct Broken;

/// A field's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Numbers, enums, booleans.
    Varint(u64),
    /// Text, bytes and messages.
    Bytes(&'a [u8]),
    /// Numbers of four or eight octets, which GoBGP hardly uses.
    Fixed,
}

/// Wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// What was not walked yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next field's number and content; `None` at the end.
    #[inline]
    pub(crate) fn take(&mut self) -> Result<Option<(u64, Value<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            VARINT => Value::Varint(self.varint()?),
            LENGTH_DELIMITED => {
                let length = self.varint()?;
                Value::Bytes(self.skip(length)?)
            }
            FIXED_64 => self.skip(8).map(|_| Value::Fixed)?,
            FIXED_32 => self.skip(4).map(|_| Value::Fixed)?,
            _ => return Err(Broken),
        };
        Ok(Some((key >> 3, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Broken)
    }

    #[inline]
    fn skip(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(length).map_err(|_| Broken)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Broken> {
        let mut fields = Fields::of(message);
        std::iter::from_fn(|| fields.take().transpose()).collect()
    }

    #[test]
    fn fields_of_every_wire_type() {
        let message =
            b"\x08\x96\x01\x12\x02hi\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x02\x03\x04";
        assert_eq!(
            all(message).unwrap(),
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"hi")),
                (3, Value::Fixed),
                (4, Value::Fixed),
            ]
        );
        // A negative int32 takes ten octets.
        let negative = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(all(negative).unwrap(), [(1, Value::Varint(u64::MAX))]);
        assert_eq!(all(b"").unwrap(), []);
    }

    #[test]
    fn what_is_cut_off_or_no_message_is_refused() {
        for wrong in [
            &b"\x08"[..],
            b"\x12\x03hi",
            b"\x19\x01",
            b"\x25\x01",
            b"\x0b",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(all(wrong).is_err(), "{wrong:?}");
        }
    }
}
