//! Takes fixed pieces off a slice, or nothing where it is too short.

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

/// Reads items of `N` bytes to the end; `None` if something is left over.
pub(super) fn items<const N: usize, T>(
    bytes: &[u8],
    item: impl Fn([u8; N]) -> T,
) -> Option<Vec<T>> {
    let mut reader = Reader::new(bytes);
    let mut items = Vec::with_capacity(bytes.len() / N);
    while !reader.is_empty() {
        items.push(item(reader.array()?));
    }
    Some(items)
}
