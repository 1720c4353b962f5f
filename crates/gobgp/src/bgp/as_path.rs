//! AS_PATH (RFC 4271, 4.3 b; RFC 5065; RFC 6793).

use super::reader::Reader;
use std::fmt;

/// The ASes that a route came through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsPath(pub Vec<Segment>);

/// A part of an AS_PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// AS_SET: in no order.
    Set(Vec<u32>),
    /// AS_SEQUENCE: the nearest first.
    Sequence(Vec<u32>),
    /// AS_CONFED_SEQUENCE.
    ConfedSequence(Vec<u32>),
    /// AS_CONFED_SET.
    ConfedSet(Vec<u32>),
}

impl AsPath {
    /// A path of one AS_SEQUENCE; empty without any AS.
    pub fn sequence(ases: impl Into<Vec<u32>>) -> Self {
        let ases = ases.into();
        Self(if ases.is_empty() {
            Vec::new()
        } else {
            vec![Segment::Sequence(ases)]
        })
    }

    /// Reads an attribute's value, four octets an AS: gobgpd keeps paths so,
    /// also those from speakers that know only two.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let mut segments = Vec::new();
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let count = reader.u8()?;
            let ases = (0..count)
                .map(|_| reader.u32())
                .collect::<Option<Vec<_>>>()?;
            segments.push(match kind {
                1 => Segment::Set(ases),
                2 => Segment::Sequence(ases),
                3 => Segment::ConfedSequence(ases),
                4 => Segment::ConfedSet(ases),
                _ => return None,
            });
        }
        Some(Self(segments))
    }

    /// Writes an attribute's value, four octets an AS. A segment that is too
    /// long for one is split.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        for segment in &self.0 {
            let (kind, ases) = segment.parts();
            for ases in ases.chunks(usize::from(u8::MAX)) {
                value.extend([kind, ases.len() as u8]);
                value.extend(ases.iter().flat_map(|asn| asn.to_be_bytes()));
            }
        }
        value
    }
}

impl Segment {
    /// Its number on the wire and its ASes.
    fn parts(&self) -> (u8, &[u32]) {
        match self {
            Self::Set(ases) => (1, ases),
            Self::Sequence(ases) => (2, ases),
            Self::ConfedSequence(ases) => (3, ases),
            Self::ConfedSet(ases) => (4, ases),
        }
    }
}

impl fmt::Display for AsPath {
    /// As `gobgp` writes it, e.g. `65000 {65001,65002}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let (start, separator, end) = match segment {
                Segment::Set(_) => ("{", ",", "}"),
                Segment::Sequence(_) => ("", " ", ""),
                Segment::ConfedSequence(_) => ("(", " ", ")"),
                Segment::ConfedSet(_) => ("[", ",", "]"),
            };
            let ases: Vec<_> = segment.parts().1.iter().map(u32::to_string).collect();
            write!(f, "{start}{}{end}", ases.join(separator))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_gobgp() {
        let path = AsPath(vec![
            Segment::ConfedSequence(vec![1, 2]),
            Segment::ConfedSet(vec![3, 4]),
            Segment::Sequence(vec![65000, 4_200_000_000]),
            Segment::Set(vec![5, 6]),
        ]);
        assert_eq!(path.to_string(), "(1 2) [3,4] 65000 4200000000 {5,6}");
        assert_eq!(AsPath::sequence([]).to_string(), "");
    }

    #[test]
    fn long_segments_are_split_and_wrong_ones_refused() {
        let path = AsPath::sequence(vec![7; 300]);
        let read = AsPath::decode(&path.encode()).unwrap();
        let lengths: Vec<_> = read.0.iter().map(|s| s.parts().1.len()).collect();
        assert_eq!(lengths, [255, 45]);
        for wrong in [&[9, 0][..], &[2], &[2, 2, 0, 0, 0, 1], &[2, 0, 1]] {
            assert_eq!(AsPath::decode(wrong), None, "{wrong:?}");
        }
    }
}
