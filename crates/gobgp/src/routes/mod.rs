//! Makes one meaning of gobgpd's stream of best paths: for each destination
//! that changed, the whole set of paths that are used now.
//!
//! What gobgpd sends, as read in its source and measured:
//!
//! - Version 3 sends the table in one message however large it is; version 4
//!   cuts it where it is asked to, into messages of one path more than asked
//!   for and a last one of fewer. An empty table is an empty message.
//! - Then a message for each destination whose paths changed, best or not:
//!   where nothing changed that is used, it is empty.
//! - Without multiple paths in use, a destination is one path, which may say
//!   that it is withdrawn.
//! - With multiple paths, version 3 sends the new set whole, in a row, and a
//!   withdrawn path when nothing is left; version 4 (4.7 and newer) sends only
//!   those that left, as withdrawn, and those that came or changed. So for
//!   version 4 the sets are kept here. A path is told by its neighbor's
//!   address, identifier and AS and its path identifier.
//! - An End-of-RIB is a path of a family and a neighbor that leads nowhere.

mod path;

use crate::dialect::Api;
use crate::fields::{Fields, Value};
use crate::types::{BestChange, BestPath, Family, RouteEvent};
use bytes::{Buf, Bytes};
use ipnet::IpNet;
pub(crate) use path::Malformed;
use path::{PathReader, Told};
use std::collections::HashMap;

/// How many paths version 4 is asked to send in a message. It sends one more,
/// unless the message is the last of the table: that tells them apart.
pub(crate) const BATCH: u32 = 1023;

/// The most destinations in an event.
const CHUNK: usize = 1024;

/// Fields of `WatchEventResponse` and of its `TableEvent`.
const TABLE: u64 = 3;
const PATHS: u64 = 2;

/// Turns messages into events. Memory: the message at hand, an event and, for
/// version 4 with multiple paths in use, the table.
#[derive(Debug)]
pub(crate) struct Reader {
    api: Api,
    families: Vec<Family>,
    paths: PathReader,
    /// The sets, where gobgpd tells only how they change.
    sets: Option<Sets>,
    /// Those that the message changes.
    touched: Vec<IpNet>,
    /// What is left of the message.
    message: Bytes,
    /// Paths in the message that were read, of all families.
    read: u32,
    /// The message is not over.
    busy: bool,
    /// The table is complete.
    initialized: bool,
    /// Destinations that were read and not told yet; the last one may go on.
    changes: Vec<BestChange>,
    /// An event behind those.
    next: Option<RouteEvent>,
}

impl Reader {
    /// `multiple_paths`: whether gobgpd uses several paths side by side.
    pub(crate) fn new(api: Api, families: &[Family], multiple_paths: bool) -> Self {
        Self {
            api,
            families: families.to_vec(),
            paths: PathReader::default(),
            sets: (api == Api::V4 && multiple_paths).then(Sets::default),
            touched: Vec::new(),
            message: Bytes::new(),
            read: 0,
            busy: false,
            initialized: false,
            changes: Vec::new(),
            next: None,
        }
    }

    /// Takes the next message, a `WatchEventResponse`, once [`Self::event`]
    /// has no more of the last one.
    pub(crate) fn push(&mut self, message: &Bytes) -> Result<(), Malformed> {
        let mut fields = Fields::of(message);
        while let Some(field) = fields.take()? {
            if let (TABLE, Value::Bytes(table)) = field {
                self.message = message.slice_ref(table);
                self.read = 0;
                self.busy = true;
            }
        }
        Ok(())
    }

    /// The next event; `None` when another message is needed.
    pub(crate) fn event(&mut self) -> Result<Option<RouteEvent>, Malformed> {
        if let Some(event) = self.next.take() {
            return Ok(Some(event));
        }
        while self.busy {
            if let Some(event) = self.step()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Reads a path, or the message's end.
    fn step(&mut self) -> Result<Option<RouteEvent>, Malformed> {
        let mut fields = Fields::of(&self.message);
        let Some(field) = fields.take()? else {
            return Ok(self.end());
        };
        let told = match field {
            (PATHS, Value::Bytes(path)) => {
                self.read = self.read.saturating_add(1);
                self.paths.read(path, self.api, &self.families)?
            }
            _ => None,
        };
        let length = self.message.len() - fields.rest().len();
        self.message.advance(length);
        Ok(match told {
            None => None,
            Some(Told::Best {
                prefix,
                withdrawn,
                path,
            }) => self.best(prefix, withdrawn, path),
            Some(Told::EndOfRib {
                neighbor,
                interface,
                family,
            }) => self.after_changes(RouteEvent::EndOfRib {
                neighbor,
                interface,
                family,
            }),
        })
    }

    /// Adds a path to its destination. Paths of one destination come in a row.
    fn best(&mut self, prefix: IpNet, withdrawn: bool, path: BestPath) -> Option<RouteEvent> {
        if let Some(sets) = &mut self.sets {
            sets.apply(prefix, withdrawn, &path);
            if self.initialized {
                self.touched.push(prefix);
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
        self.busy = false;
        if let Some(sets) = &mut self.sets {
            // A message takes paths away first, and brings others later.
            self.touched.sort_unstable();
            self.touched.dedup();
            self.changes
                .extend(self.touched.drain(..).map(|prefix| sets.change(prefix)));
        }
        if self.initialized {
            return self.take_changes();
        }
        if self.api == Api::V4 && self.read > BATCH {
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

/// The paths in use, kept where gobgpd tells only which ones came and left.
#[derive(Debug, Default)]
struct Sets(HashMap<IpNet, Vec<BestPath>>);

impl Sets {
    fn apply(&mut self, prefix: IpNet, withdrawn: bool, path: &BestPath) {
        let set = self.0.entry(prefix).or_default();
        set.retain(|known| !same_source(known, path));
        if !withdrawn {
            set.push(path.clone());
        }
    }

    fn change(&mut self, prefix: IpNet) -> BestChange {
        let paths = self.0.get(&prefix).cloned().unwrap_or_default();
        if paths.is_empty() {
            self.0.remove(&prefix);
        }
        BestChange { prefix, paths }
    }
}

/// Whether one path takes the other's place, as gobgpd sees it.
fn same_source(one: &BestPath, other: &BestPath) -> bool {
    let source = |path: &BestPath| {
        (
            path.neighbor,
            path.source_id,
            path.source_asn,
            path.identifier,
        )
    };
    source(one) == source(other) && one.interface == other.interface
}
