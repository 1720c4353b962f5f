//! Points in the store's history as callers hold them, and reads that are at
//! least as new as one: whoever wrote through one server sees it through
//! every other.

use super::{Catalog, Error};
use crate::keys;
use sdwan_store::{Op, Revision};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long the mirror may take before the store is asked why: it is behind
/// by a moment only, as a rule.
const GRACE: Duration = Duration::from_millis(250);

/// A revision and its epoch. As text `17` in the first epoch, `2-17` after
/// two restores: no text of one epoch is one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// How often the store had been restored.
    pub epoch: u64,
    /// The revision.
    pub revision: Revision,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            0 => write!(f, "{}", self.revision),
            epoch => write!(f, "{epoch}-{}", self.revision),
        }
    }
}

impl FromStr for Point {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (epoch, revision) = text.split_once('-').unwrap_or(("0", text));
        let number = |text: &str| text.parse().map_err(|_| ());
        let point = Self {
            epoch: number(epoch)?,
            revision: Revision(number(revision)?),
        };
        // One text for one point: no signs, no zeros in front.
        (point.to_string() == text).then_some(point).ok_or(())
    }
}

/// Why a point can't be read at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// The store was restored since, or the point is another store's.
    OtherEpoch,
    /// The store is not there yet: the point is another store's.
    Ahead,
    /// This server did not get there in time: it is cut off from the store,
    /// or too busy.
    Late,
}

impl Catalog {
    /// Waits until what is read here is at least as new as `point`, for as
    /// long as `patience`.
    ///
    /// # Errors
    /// [`Unreached`].
    pub async fn reach(&self, point: Point, patience: Duration) -> Result<(), Unreached> {
        let now = self.mirror.now();
        if point.epoch != now.epoch() {
            return Err(Unreached::OtherEpoch);
        }
        if point.revision <= now.revision {
            return Ok(());
        }
        let wait = async {
            tokio::select! {
                () = self.mirror.wait_for(point.revision) => Ok(()),
                why = self.lead_on(point.revision) => Err(why),
            }
        };
        tokio::time::timeout(patience, wait)
            .await
            .unwrap_or(Err(Unreached::Late))
    }

    /// Looks where the store is, and sees to it that the mirror comes to hear
    /// of it: on a shared etcd others make revisions, too, which no watch of
    /// ours tells. Ends only if the store is not at `revision` itself.
    async fn lead_on(&self, revision: Revision) -> Unreached {
        tokio::time::sleep(GRACE).await;
        match self.store.list(keys::META).await {
            Ok(listing) if listing.revision < revision => return Unreached::Ahead,
            Ok(_) if self.tenure().is_alone() => {}
            Ok(_) => {
                if let Err(error) = self.write_after(revision).await {
                    tracing::warn!(%error, "the store takes no write that would show where it is");
                }
            }
            Err(error) => tracing::warn!(%error, "the store does not tell where it is"),
        }
        std::future::pending().await
    }

    /// One write of ours, unless another caller's has done as well.
    pub(super) async fn write_after(&self, revision: Revision) -> Result<(), Error> {
        let _turn = self.leading.lock().await;
        if self.mirror.now().revision >= revision {
            return Ok(());
        }
        let who = self.tenure().instance();
        self.once(Op::put(keys::SYNC, who)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_one_text_and_the_first_epochs_is_a_number() {
        for (epoch, revision, text) in [
            (0, 17, "17"),
            (2, 0, "2-0"),
            (1, u64::MAX, "1-18446744073709551615"),
        ] {
            let revision = Revision(revision);
            let point = Point { epoch, revision };
            assert_eq!(point.to_string(), text);
            assert_eq!(text.parse(), Ok(point));
        }
        for text in [
            "",
            "-",
            "+5",
            "05",
            "0-5",
            "1-",
            "-1",
            "1-+5",
            "1-2-3",
            "1.5",
            "x",
            "18446744073709551616",
        ] {
            assert_eq!(text.parse::<Point>(), Err(()), "{text}");
        }
    }
}
