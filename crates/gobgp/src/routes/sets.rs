//! The paths in use, kept where gobgpd tells only which ones came and left.

use crate::types::{BestChange, BestPath};
use ipnet::IpNet;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Sets {
    paths: HashMap<IpNet, Vec<BestPath>>,
    touched: Vec<IpNet>,
}

impl Sets {
    pub(super) fn apply(&mut self, prefix: IpNet, withdrawn: bool, path: &BestPath) {
        let set = self.paths.entry(prefix).or_default();
        set.retain(|known| !same_source(known, path));
        if !withdrawn {
            set.push(path.clone());
        }
        self.touched.push(prefix);
    }

    /// The sets that were touched since the last time, each once: a message
    /// takes paths away first, and brings others later.
    pub(super) fn changes(&mut self) -> Vec<BestChange> {
        self.touched.sort_unstable();
        self.touched.dedup();
        let mut changes = Vec::with_capacity(self.touched.len());
        for prefix in self.touched.drain(..) {
            let paths = self.paths.get(&prefix).cloned().unwrap_or_default();
            if paths.is_empty() {
                self.paths.remove(&prefix);
            }
            changes.push(BestChange { prefix, paths });
        }
        changes
    }
}

/// Whether one path takes the other's place, as gobgpd sees it.
fn same_source(one: &BestPath, other: &BestPath) -> bool {
    one.neighbor == other.neighbor
        && one.interface == other.interface
        && one.source_id == other.source_id
        && one.source_asn == other.source_asn
        && one.identifier == other.identifier
}
