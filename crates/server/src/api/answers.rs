//! Answers that are still true. As long as the store's revision stands, the
//! same question has the same answer, so a page that polls, or a hundred of
//! them, cost no more than the bytes that they are sent.

use bytes::Bytes;
use http::HeaderMap;
use sdwan_store::Revision;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A body larger than this is made anew each time.
const MAX_BODY: usize = 256 * 1024;

/// All bodies together.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A successful answer to a GET.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The answers at one revision, by path and query.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    revision: Revision,
    answers: HashMap<String, Answer>,
    bytes: usize,
}

impl Answers {
    /// The answer to this question, if it was asked at this revision.
    pub(crate) fn get(&self, revision: Revision, question: &str) -> Option<Answer> {
        let kept = self.kept();
        let current = kept.revision == revision;
        current.then(|| kept.answers.get(question).cloned())?
    }

    /// Keeps an answer for who asks the same before anything changes.
    pub(crate) fn keep(&self, revision: Revision, question: &str, answer: &Answer) {
        let size = question.len() + answer.body.len();
        if size > MAX_BODY {
            return;
        }
        let mut kept = self.kept();
        if kept.revision > revision {
            return;
        }
        if kept.revision < revision || kept.bytes + size > MAX_BYTES {
            *kept = Kept {
                revision,
                ..Kept::default()
            };
        }
        kept.bytes += size;
        kept.answers.insert(question.to_owned(), answer.clone());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every entry is whole by itself: a panic in between tears nothing.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(size: usize) -> Answer {
        Answer {
            headers: HeaderMap::new(),
            body: vec![b'x'; size].into(),
        }
    }

    #[test]
    fn an_answer_is_true_at_its_revision_only() {
        let answers = Answers::default();
        answers.keep(Revision(2), "/a", &answer(1));
        assert!(answers.get(Revision(2), "/a").is_some());
        assert!(answers.get(Revision(2), "/b").is_none());
        assert!(answers.get(Revision(1), "/a").is_none());
        assert!(answers.get(Revision(3), "/a").is_none());
        answers.keep(Revision(1), "/late", &answer(1));
        assert!(answers.get(Revision(2), "/a").is_some());
        answers.keep(Revision(3), "/b", &answer(1));
        assert!(answers.get(Revision(2), "/a").is_none());
        assert!(answers.get(Revision(3), "/a").is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers = Answers::default();
        answers.keep(Revision(1), "/large", &answer(MAX_BODY));
        assert!(answers.get(Revision(1), "/large").is_none());
        for i in 0..1000 {
            answers.keep(Revision(1), &format!("/{i}"), &answer(MAX_BODY / 2));
            assert!(answers.kept().bytes <= MAX_BYTES);
        }
        assert!(answers.get(Revision(1), "/999").is_some());
    }
}
