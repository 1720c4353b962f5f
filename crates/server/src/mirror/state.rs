//! One state of the whole store, parsed and indexed. Persistent maps: a new
//! state shares with the one before all that did not change, so a look costs
//! a pointer and holds nobody up.

use super::record::{Declared, Record};
use super::shown::{Hold, Shown};
use crate::auth::Known;
use crate::cluster::{Claimed, Keeper, Member};
use crate::keys::{self, Key, Scope};
use bytes::Bytes;
use imbl::{OrdMap, OrdSet};
use sdwan_model::plan::{OwnedKey, OwnedRecord};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::rules;
use sdwan_model::schema::{Kind, Schemas};
use sdwan_model::status::{self, Facts, Folded, Reachability};
use sdwan_store::Revision;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// The kind that daemons belong to.
pub(crate) const ROUTER: &str = "router";
/// The kind that has sessions.
pub(crate) const NEIGHBOR: &str = "neighbor";
/// The kind that attaches policies.
pub(crate) const POLICY: &str = "policyinfo";

/// What does not change from state to state.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) schemas: Arc<Schemas>,
    /// This process: on a store of its own, its word on reachability counts.
    pub(crate) instance: String,
    /// Nobody shares the store.
    pub(crate) alone: bool,
}

/// The records of one kind by id.
pub(super) type Records = OrdMap<Arc<str>, Arc<Record>>;

/// What there is of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) records: Records,
    /// Records that hold a row; in the others somebody reports on a row that
    /// is not there.
    pub(super) rows: usize,
}

/// `/index/unique` keys and the holders' ids.
pub(crate) type Unique = OrdMap<Arc<str>, Arc<str>>;

/// Everything at one revision.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) context: Arc<Context>,
    pub(crate) revision: Revision,
    /// By kind.
    pub(super) tables: OrdMap<Arc<str>, Table>,
    pub(super) unique: Unique,
    /// `/index/reference` keys.
    pub(super) references: OrdSet<Arc<str>>,
    /// Rows under `/deleting` as router, kind, id.
    pub(super) leaving: OrdSet<(Arc<str>, Arc<str>, Arc<str>)>,
    /// By router.
    pub(super) owned: OrdMap<Arc<str>, OrdMap<OwnedKey, Arc<OwnedRecord>>>,
    /// By router.
    pub(super) reachability: OrdMap<Arc<str>, Arc<Reachability>>,
    pub(super) holds: OrdMap<Scope, Arc<Hold>>,
    /// By id.
    pub(super) tokens: OrdMap<Arc<str>, Arc<Known>>,
    /// By id.
    pub(super) members: OrdMap<Arc<str>, Arc<Member>>,
    /// By router.
    pub(super) claims: OrdMap<Arc<str>, Arc<Claimed>>,
    /// By router, the member that has or had it.
    pub(super) keepers: OrdMap<Arc<str>, Keeper>,
    /// Of the store; 0 while it has none.
    pub(super) format: u64,
    /// How often what the store holds was restored.
    pub(super) epoch: u64,
    /// When members, claims, the format or the routers that there are changed.
    pub(super) cluster_at: Revision,
}

impl State {
    pub(crate) fn empty(context: Arc<Context>) -> Self {
        Self {
            context,
            revision: Revision::default(),
            tables: OrdMap::new(),
            unique: OrdMap::new(),
            references: OrdSet::new(),
            leaving: OrdSet::new(),
            owned: OrdMap::new(),
            reachability: OrdMap::new(),
            holds: OrdMap::new(),
            tokens: OrdMap::new(),
            members: OrdMap::new(),
            claims: OrdMap::new(),
            keepers: OrdMap::new(),
            format: 0,
            epoch: 0,
            cluster_at: Revision::default(),
        }
    }

    pub(crate) fn kind(&self, id: &str) -> Option<&Arc<Kind>> {
        self.context.schemas.get(id)
    }

    /// A kind's plural, as it stands in keys.
    pub(crate) fn plural<'a>(&'a self, kind: &'a str) -> &'a str {
        self.kind(kind).map_or(kind, |k| &k.plural)
    }

    pub(super) fn table(&self, kind: &str) -> Option<&Records> {
        Some(&self.tables.get(kind)?.records)
    }

    pub(crate) fn record(&self, kind: &str, id: &str) -> Option<&Arc<Record>> {
        self.table(kind)?.get(id)
    }

    /// A row that is declared and stays so.
    pub(crate) fn live(&self, kind: &str, id: &str) -> Option<&Declared> {
        self.record(kind, id)?.live()
    }

    /// Every record of a kind, by id.
    pub(crate) fn records(&self, kind: &str) -> impl Iterator<Item = &Arc<Record>> {
        self.table(kind).into_iter().flat_map(OrdMap::values)
    }

    /// The rows of a kind at these places in the order of ids, and how many
    /// rows there are.
    pub(crate) fn page(
        &self,
        kind: &str,
        places: Range<usize>,
    ) -> (impl Iterator<Item = &Arc<Record>>, usize) {
        let table = self.tables.get(kind);
        let rows = table.map_or(0, |table| table.rows);
        let holds_row = move |record: &&Arc<Record>| {
            // A look at each record is a cache miss each.
            table.is_some_and(|table| table.rows == table.records.len()) || record.row().is_some()
        };
        let page = self.records(kind).filter(holds_row);
        (page.skip(places.start).take(places.len()), rows)
    }

    /// The id of the row that holds a unique value.
    pub(crate) fn holder(&self, kind: &str, label: &str, value: &str) -> Option<&str> {
        let key = keys::unique(self.plural(kind), label, value);
        self.unique.get(key.as_str()).map(|id| &**id)
    }

    /// The id that stands at an `/index/unique` key.
    pub(crate) fn unique_holder(&self, key: &str) -> Option<&str> {
        self.unique.get(key).map(|id| &**id)
    }

    /// The rows that refer to this one, as kind and id; those of one kind if
    /// it is given.
    pub(crate) fn referrers(
        &self,
        kind: &str,
        id: &str,
        by: Option<&str>,
    ) -> impl Iterator<Item = (&str, &str)> {
        let prefix: Arc<str> = match by {
            Some(by) => keys::references_by(self.plural(kind), id, self.plural(by)),
            None => keys::references_to(self.plural(kind), id),
        }
        .into();
        self.references
            .range(Arc::clone(&prefix)..)
            .take_while(move |key| key.starts_with(&*prefix))
            .filter_map(|key| match Key::parse(key) {
                Key::Reference { by, .. } => {
                    let kind = self.context.schemas.by_plural(by.0)?;
                    Some((kind.id.as_str(), by.1))
                }
                _ => None,
            })
    }

    /// Declared rows by a property's value, and how they were found.
    pub(crate) fn find(
        &self,
        kind: &str,
        property: &str,
        value: &Value,
    ) -> (Found, Vec<&Declared>) {
        let matches = |declared: &&Declared| declared.row.body.get(property) == Some(value);
        let described = self.kind(kind).and_then(|k| k.properties.get(property));
        if let Some(about) = described
            && about.unique
        {
            let label = self.unique_key(kind, property, value);
            if let Some((label, text)) = label {
                let id = self.holder(kind, &label, &text);
                let found = id.and_then(|id| self.live(kind, id));
                return (Found::Unique(label, text), found.into_iter().collect());
            }
        }
        if let Some(relation) = described.and_then(|p| p.relation.as_ref())
            && let Some(target) = self.target(&relation.kind, &relation.by, value)
        {
            let found = self
                .referrers(&relation.kind, &target, Some(kind))
                .filter_map(|(kind, id)| self.live(kind, id))
                .filter(matches)
                .collect();
            return (Found::Referring(relation.kind.clone(), target), found);
        }
        let found = self
            .records(kind)
            .filter_map(|record| record.live())
            .filter(matches)
            .collect();
        (Found::Scanned, found)
    }

    /// The label and canonical text under which a unique property's value is
    /// indexed.
    fn unique_key(&self, kind: &str, property: &str, value: &Value) -> Option<(String, String)> {
        let probe = Row {
            kind: kind.to_owned(),
            id: String::new(),
            version: 0,
            created: 0,
            body: [(property.to_owned(), value.clone())].into_iter().collect(),
        };
        rules::unique_values(&self.context.schemas, &probe)
            .into_iter()
            .find(|(label, _)| label == property)
    }

    /// The id of the row that a relation's value names.
    pub(crate) fn target(&self, kind: &str, by: &str, value: &Value) -> Option<String> {
        if by == "id" {
            return value.as_str().map(str::to_owned);
        }
        let (label, text) = self.unique_key(kind, by, value)?;
        self.holder(kind, &label, &text).map(str::to_owned)
    }

    /// The router that a row of a built-in kind is about.
    pub(crate) fn router_of(&self, row: &Row) -> Option<String> {
        let kind = self.kind(&row.kind).filter(|kind| kind.builtin)?;
        if kind.id == ROUTER {
            return Some(row.id.clone());
        }
        let (property, relation) = kind.properties.iter().find_map(|(name, property)| {
            let relation = property.relation.as_ref()?;
            (relation.kind == ROUTER).then_some((name, relation))
        })?;
        self.target(ROUTER, &relation.by, row.body.get(property)?)
    }

    /// Rows on their way out that this router has not let go of.
    pub(crate) fn leaving(&self, router: &str) -> impl Iterator<Item = (&str, &str)> {
        let router: Arc<str> = router.into();
        let first = (Arc::clone(&router), Arc::from(""), Arc::from(""));
        self.leaving
            .range(first..)
            .take_while(move |(of, _, _)| *of == router)
            .map(|(_, kind, id)| (&**kind, &**id))
    }

    /// What we own on a router.
    pub(crate) fn owned(&self, router: &str) -> Option<&OrdMap<OwnedKey, Arc<OwnedRecord>>> {
        self.owned.get(router)
    }

    /// A router's reachability as whoever looks after it has seen it.
    pub(crate) fn reachability(&self, router: &str) -> Option<&Arc<Reachability>> {
        let seen = self.reachability.get(router)?;
        let counts = match self.context.alone {
            true => seen.observer == self.context.instance,
            false => self
                .claim(router)
                .is_some_and(|claimed| claimed.claim.trusts(&seen.observer)),
        };
        counts.then_some(seen)
    }

    /// The servers that share the store, by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter().map(|(id, member)| (id, &**member))
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id).map(|member| &**member)
    }

    /// Who looks after a router.
    pub(crate) fn claim(&self, router: &str) -> Option<&Claimed> {
        self.claims.get(router).map(|claimed| &**claimed)
    }

    /// The routers that somebody looks after, also ones that are no more.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = &Arc<str>> {
        self.claims.keys()
    }

    /// Who looks after a router, or did last.
    pub(crate) fn keeper(&self, router: &str) -> Option<&Keeper> {
        self.keepers.get(router)
    }

    /// The routers that somebody looks after or did, also ones that are no
    /// more.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keepers.keys()
    }

    /// The store's format; 0 while it has none.
    pub(crate) fn format(&self) -> u64 {
        self.format
    }

    /// How often what the store holds was restored: revisions of different
    /// epochs have nothing to do with each other.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When members, claims, the format or the routers that there are last
    /// changed.
    pub(crate) fn cluster_at(&self) -> Revision {
        self.cluster_at
    }

    /// Every router that has work, ones on their way out included.
    pub(crate) fn router_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        let records = self.table(ROUTER).into_iter().flat_map(OrdMap::iter);
        records
            .filter(|(_, record)| record.row().is_some())
            .map(|(id, _)| id)
    }

    /// Whether any process ever told of this router's reachability.
    pub(crate) fn reached(&self, router: &str) -> bool {
        self.reachability.contains_key(router)
    }

    /// Every router that anything but its row is known of.
    pub(crate) fn known_routers(&self) -> impl Iterator<Item = &str> {
        let leaving = self.leaving.iter().map(|(router, _, _)| &**router);
        let owned = self.owned.keys().map(|router| &**router);
        let reached = self.reachability.keys().map(|router| &**router);
        leaving.chain(owned).chain(reached)
    }

    /// The whole index: unique values with their holders, and references.
    pub(crate) fn index(&self) -> (&Unique, &OrdSet<Arc<str>>) {
        (&self.unique, &self.references)
    }

    /// This state, were these its unique values.
    pub(crate) fn with_unique<'a>(
        &self,
        unique: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let shared = |(key, id): (&String, &String)| {
            (
                Arc::<str>::from(key.as_str()),
                Arc::<str>::from(id.as_str()),
            )
        };
        Self {
            unique: unique.into_iter().map(shared).collect(),
            ..self.clone()
        }
    }

    pub(crate) fn holds(&self) -> &OrdMap<Scope, Arc<Hold>> {
        &self.holds
    }

    pub(crate) fn held(&self, router: &str) -> bool {
        self.holds.contains_key(&Scope::All)
            || self.holds.contains_key(&Scope::Router(router.to_owned()))
    }

    /// The tokens that callers are known by, by id.
    pub(crate) fn tokens(&self) -> &OrdMap<Arc<str>, Arc<Known>> {
        &self.tokens
    }

    /// A row as readers see it.
    pub(crate) fn show(&self, kind: &str, id: &str) -> Option<Shown> {
        self.shown(self.record(kind, id)?)
    }

    fn shown(&self, record: &Record) -> Option<Shown> {
        let row = record.row()?;
        Some(Shown {
            row: Arc::clone(row),
            status: self.fold(record, row),
            monitoring: record.monitoring.clone(),
            fib: record.fib.clone(),
            revision: self.revision,
        })
    }

    /// The rows as `render` makes text of them. That is done once for every
    /// state of a row: `render` must read nothing but what it is given.
    pub(crate) fn rendered<'a>(
        &'a self,
        records: impl Iterator<Item = &'a Arc<Record>>,
        render: impl Fn(&Shown) -> Bytes,
    ) -> Vec<Bytes> {
        // Rows that are created together are mostly about one router.
        let mut last = (None, None);
        let text = |record: &'a Arc<Record>| {
            let router = about(record, record.row()?);
            if router != last.0 {
                last = (router, router.and_then(|router| self.reachability(router)));
            }
            record.rendering.get(last.1).or_else(|| {
                let text = render(&self.shown(record)?);
                record.rendering.keep(last.1, text.clone());
                Some(text)
            })
        };
        records.filter_map(text).collect()
    }

    fn fold(&self, record: &Record, row: &Row) -> Option<Folded> {
        let kind = self.kind(&row.kind)?;
        let reachability = about(record, row).and_then(|router| self.reachability(router));
        status::fold(&Facts {
            version: row.version,
            deleting: record.leaving.is_some(),
            state: record.state.as_deref(),
            monitoring: record.monitoring.as_deref(),
            reachability: reachability.map(|r| &**r),
            has_session: row.kind == NEIGHBOR,
            outside: !kind.builtin,
            managed: kind.has_status(),
        })
    }

    /// Every row that is about a router: its own, those that refer to it, and
    /// those on their way out.
    pub(super) fn rows_of(&self, router: &str) -> Vec<ResourceRef> {
        std::iter::once((ROUTER, router))
            .chain(self.referrers(ROUTER, router, None))
            .chain(self.leaving(router))
            .map(|(kind, id)| ResourceRef::new(kind, id))
            .collect()
    }
}

/// How rows were found: what a commit must see unchanged to rely on it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// By a unique value: label and canonical text.
    Unique(String, String),
    /// By their reference to a row: its kind and id.
    Referring(String, String),
    /// By looking at all.
    Scanned,
}

/// The router that a row is about.
fn about<'a>(record: &'a Record, row: &'a Row) -> Option<&'a str> {
    match row.kind.as_str() {
        ROUTER => Some(&row.id),
        _ => record.router(),
    }
}
