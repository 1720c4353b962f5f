//! Makes one meaning of gobgpd's stream of best paths: for each destination
//! that changed, the whole set of paths that are used now.
//!
//! What gobgpd sends, as read in its source and measured:
//!
//! - The table comes in one message up to version 3.26, and after that is cut
//!   where gobgpd is asked to, into messages of one path more than asked for and
//!   a last one of fewer: so what is cut is known by the first message, unless
//!   that has just as many paths. Version 3 needs about 400 octets a path, 4 a
//!   third of that. An empty table is an empty message.
//! - Then a message for each destination whose paths changed, best or not:
//!   where nothing changed that is used, it is empty.
//! - Without multiple paths in use, a destination is one path, which may say
//!   that it is withdrawn.
//! - With multiple paths, version 3 sends the new set whole, in a row, and a
//!   withdrawn path when nothing is left; version 4 (4.7 and newer) sends only
//!   those that left, as withdrawn, and those that came or changed. So for
//!   version 4 the sets are kept here. A path is known by its neighbor's
//!   address, identifier and AS and by its path identifier.
//! - An End-of-RIB is a path of a family and a neighbor that leads nowhere.

mod body;
mod path;
mod sets;
#[cfg(test)]
mod tests;

use crate::dialect::Api;
use crate::error::Error;
use crate::types::{BestChange, BestPath, Family, RouteEvent};
use body::{Body, Piece};
use ipnet::IpNet;
use path::{PathReader, Told};
use sets::Sets;

/// How many paths gobgpd is asked to send in a message. One that knows of it
/// sends one more, unless the message is the last of the table. For each change
/// it makes room for as many: a large number halves its speed under a feed.
pub(crate) const BATCH: u32 = 127;

/// The most destinations in an event.
const CHUNK: usize = 1024;

/// Reads what gobgpd answers to `WatchEvent`: [`Client::watch_routes`] without
/// the network.
///
/// It reads as the octets come and keeps none: of a table of any size, a path
/// and an event are in memory. Only for version 4 with multiple paths in use
/// it keeps the table.
///
/// [`Client::watch_routes`]: crate::Client::watch_routes
#[derive(Debug)]
pub struct RouteReader {
    api: Api,
    families: Vec<Family>,
    body: Body,
    paths: PathReader,
    /// The sets, where gobgpd tells only how they change.
    sets: Option<Sets>,
    /// Paths in the message so far, of all families.
    read: u32,
    /// The table is complete.
    initialized: bool,
    /// A message has come that is no more than a piece, where gobgpd cuts.
    cut: bool,
    /// It was the first and the last that came: gobgpd may not be cutting.
    may_be_complete: bool,
    /// Destinations that were read and not told yet; the last one may go on.
    changes: Vec<BestChange>,
    /// An event behind those.
    next: Option<RouteEvent>,
}

impl RouteReader {
    /// For the paths of these families. `multiple_paths`: whether gobgpd uses
    /// several paths side by side.
    pub fn new(api: Api, families: &[Family], multiple_paths: bool) -> Self {
        Self {
            api,
            families: families.to_vec(),
            body: Body::default(),
            paths: PathReader::default(),
            sets: (api == Api::V4 && multiple_paths).then(Sets::default),
            read: 0,
            initialized: false,
            cut: false,
            may_be_complete: false,
            changes: Vec::new(),
            next: None,
        }
    }

    /// Takes the next octets of the answer's body, cut anywhere. First take
    /// all that [`Self::event`] has.
    pub fn push(&mut self, data: &[u8]) {
        self.may_be_complete &= data.is_empty();
        self.body.push(data);
    }

    /// Whether only time can tell if the table is complete: a gobgpd that cuts
    /// it sends the rest at once.
    pub fn may_be_complete(&self) -> bool {
        self.may_be_complete
    }

    /// Nothing came for so long that the table must be complete.
    pub fn complete(&mut self) -> Option<RouteEvent> {
        if !std::mem::take(&mut self.may_be_complete) {
            return None;
        }
        self.initialized = true;
        self.after_changes(RouteEvent::EndOfInit)
    }

    /// The next event; `None` when it needs more of the body.
    ///
    /// # Errors
    /// [`Error::Malformed`]; the stream can't be read any further then.
    pub fn event(&mut self) -> Result<Option<RouteEvent>, Error> {
        if let Some(event) = self.next.take() {
            return Ok(Some(event));
        }
        loop {
            let event = match self.body.piece()? {
                Piece::More => return Ok(None),
                Piece::Nothing => None,
                Piece::Path(length) => {
                    self.read = self.read.saturating_add(1);
                    let path = self.body.content(length);
                    let told = self.paths.read(path, self.api, &self.families)?;
                    self.body.consume(length);
                    told.and_then(|told| self.take(told))
                }
                Piece::End => self.end(),
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn take(&mut self, told: Told) -> Option<RouteEvent> {
        match told {
            Told::Best {
                prefix,
                withdrawn,
                path,
            } => self.best(prefix, withdrawn, path),
            Told::EndOfRib {
                neighbor,
                interface,
                family,
            } => self.after_changes(RouteEvent::EndOfRib {
                neighbor,
                interface,
                family,
            }),
        }
    }

    /// Adds a path to its destination. Paths of one destination come in a row.
    fn best(&mut self, prefix: IpNet, withdrawn: bool, path: BestPath) -> Option<RouteEvent> {
        if let Some(sets) = &mut self.sets {
            sets.apply(prefix, withdrawn, &path);
            if self.initialized {
                return None;
            }
        }
        let path = (!withdrawn).then_some(path);
        match self.changes.last_mut() {
            Some(last) if last.prefix == prefix => {
                last.paths.extend(path);
                None
            }
            _ => {
                let full = self.changes.len() >= CHUNK;
                let event = full.then(|| self.take_changes()).flatten();
                let paths = path.into_iter().collect();
                self.changes.push(BestChange { prefix, paths });
                event
            }
        }
    }

    /// At the end of a message.
    fn end(&mut self) -> Option<RouteEvent> {
        let read = std::mem::take(&mut self.read);
        if let Some(sets) = &mut self.sets {
            let changes = sets.changes();
            if self.initialized {
                self.changes = changes;
            }
        }
        if self.initialized {
            return self.take_changes();
        }
        if read == BATCH + 1 {
            // One that sends a second is known to cut, and then takes its time.
            let first = !std::mem::replace(&mut self.cut, true);
            self.may_be_complete = first && self.api == Api::V3;
            return None;
        }
        self.initialized = true;
        self.after_changes(RouteEvent::EndOfInit)
    }

    fn after_changes(&mut self, event: RouteEvent) -> Option<RouteEvent> {
        match self.take_changes() {
            None => Some(event),
            changes => {
                self.next = Some(event);
                changes
            }
        }
    }

    fn take_changes(&mut self) -> Option<RouteEvent> {
        let changes = std::mem::take(&mut self.changes);
        (!changes.is_empty()).then_some(RouteEvent::Best(changes))
    }
}
