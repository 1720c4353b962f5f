//! Start: may this server work with this store? Its format, every stored row
//! against today's schemas, and the indexes that today's schemas call for.

use super::ops::Ops;
use super::view::Stored;
use super::{Catalog, Error, Options, key};
use crate::keys;
use crate::mirror::{Context, Mirror, ROUTER, State};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::schema::Schemas;
use sdwan_model::{rules, validate};
use sdwan_store::{Condition, Listing, Op, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// The newest format that this server reads and writes. It goes up with every
/// change that an older server would misread: 2 brought servers that share a
/// store, and revisions of several epochs.
pub const FORMAT: u64 = 2;
/// How many problems one refusal names.
const NAMED: usize = 20;

impl Catalog {
    /// Reads the whole store, checks that this server can work with it and
    /// starts to follow it.
    ///
    /// # Errors
    /// [`Error::Open`] when the store's format is newer or stored rows don't
    /// fit the schemas, all of them named; [`Error::Secret`] when the store's
    /// secrets are sealed with another key; [`Error::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        schemas: Arc<Schemas>,
        options: Options,
    ) -> Result<Arc<Self>, Error> {
        let listing = store.list(keys::ALL).await?;
        let newest = options.format;
        let new = check_format(&listing, newest)?;
        let keyless = key::check(&listing, &options.secrets)?;
        let context = Arc::new(Context {
            schemas: Arc::clone(&schemas),
            instance: options.tenure.instance().to_owned(),
            alone: options.tenure.is_alone(),
        });
        let (state, mut problems) = State::from_listing(context, &listing);
        problems.extend(misfits(&state));
        let index = Index::of(&state);
        let sound = index.repairs(&state).is_empty() && leftovers(&state).is_empty();
        problems.extend(index.collisions);
        refuse(&problems)?;
        let unfinished = unfinished(&state);
        let mirror = Arc::new(Mirror::new(Arc::clone(&store), state));
        let follower = tokio::spawn(Arc::clone(&mirror).follow());
        let catalog = Arc::new(Self {
            store,
            schemas,
            options,
            mirror,
            _follower: AbortOnDropHandle::new(follower),
        });
        if new {
            let when = vec![Condition::Absent(keys::FORMAT.to_owned())];
            let then = vec![Op::put(keys::FORMAT, newest.to_string())];
            if let Some(revision) = catalog.commit(when, then, &mut Vec::new()).await? {
                catalog.wait_for(revision).await;
            }
        } else if catalog.tenure().is_alone() {
            catalog.raise_format().await?;
        }
        if keyless {
            catalog.remember_key().await?;
        }
        if !sound {
            catalog.say(|now| Index::of(now).repairs(now)).await?;
            catalog.say(leftovers).await?;
        }
        for resource in unfinished {
            let catalog = Arc::clone(&catalog);
            tokio::spawn(async move {
                if let Err(error) = catalog.finish(&resource).await {
                    tracing::error!(%resource, %error, "the deletion is not finished: delete it again");
                }
            });
        }
        Ok(catalog)
    }
}

/// Whether the store is new; an error if it is newer than `newest`.
fn check_format(listing: &Listing, newest: u64) -> Result<bool, Error> {
    let entry = listing.entries.iter().find(|e| e.key == keys::FORMAT);
    let Some(entry) = entry else { return Ok(true) };
    let text = String::from_utf8_lossy(&entry.value);
    match text.parse::<u64>() {
        Ok(format) if format <= newest => Ok(false),
        Ok(format) => Err(Error::Open(format!(
            "the store has format {format}, this server knows formats up to {newest}: \
             use the sdwan that wrote it, or a newer one"
        ))),
        Err(_) => Err(Error::Open(format!(
            "the store's format {text:?} is not a number: this is no store of sdwan's"
        ))),
    }
}

/// Stored rows that today's schemas would refuse.
fn misfits(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    for kind in state.context.schemas.iter() {
        let rows = state.records(&kind.id).filter_map(|r| r.declared.as_ref());
        for row in rows.map(|declared| &declared.row) {
            for violation in validate::stored(kind, &row.body) {
                let at = keys::config(&kind.plural, &row.id);
                problems.push(format!(
                    "{at}: {}: {}",
                    violation.pointer, violation.message
                ));
            }
        }
    }
    problems
}

fn refuse(problems: &[String]) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    let named = &problems[..problems.len().min(NAMED)];
    let more = match problems.len() - named.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Err(Error::Open(format!(
        "the store holds what the schemas don't allow; bring the schemas back that it was \
         written with, and change or delete these rows first: {}{more}",
        named.join("; ")
    )))
}

/// Deletions that were at work when the last server stopped.
fn unfinished(state: &State) -> Vec<ResourceRef> {
    let kinds = state.context.schemas.iter();
    kinds
        .flat_map(|kind| state.records(&kind.id))
        .filter_map(|record| record.leaving.as_deref())
        .filter(|leaving| leaving.cascade)
        .map(|leaving| leaving.row.reference())
        .collect()
}

/// The `/index` that the rows call for: a schema may have made a property
/// unique, or a relation, since they were stored.
struct Index {
    unique: BTreeMap<String, String>,
    references: BTreeSet<String>,
    collisions: Vec<String>,
}

impl Index {
    fn of(state: &State) -> Self {
        let schemas = &state.context.schemas;
        let kinds = schemas.iter().flat_map(|kind| state.records(&kind.id));
        let declared = kinds.filter_map(|record| record.declared.as_ref());
        let rows: Vec<&Arc<Row>> = declared.map(|declared| &declared.row).collect();
        let mut unique = BTreeMap::new();
        let mut collisions = Vec::new();
        for row in &rows {
            let plural = state.plural(&row.kind);
            for (label, value) in rules::unique_values(schemas, row) {
                let key = keys::unique(plural, &label, &value);
                if let Some(other) = unique.insert(key, row.id.clone()) {
                    let at = keys::config(plural, &row.id);
                    collisions.push(format!("{at}: {label} {value} is {other}'s too"));
                }
            }
        }
        // References lead through unique values, so these must stand first.
        let indexed = state.with_unique(&unique);
        let mut references = BTreeSet::new();
        for row in rows {
            for (target, _) in rules::references(schemas, &Stored(&indexed), row) {
                let of = state.plural(&target.kind);
                let by = state.plural(&row.kind);
                references.insert(keys::reference(of, &target.id, by, &row.id));
            }
        }
        Self {
            unique,
            references,
            collisions,
        }
    }

    /// What is missing, and what is too much.
    fn repairs(&self, state: &State) -> Vec<Op> {
        let (unique, references) = state.index();
        let missing = self.unique.iter().filter(|(key, id)| {
            let stands = unique.get(key.as_str());
            stands.is_none_or(|stands| **stands != ***id)
        });
        let mut ops: Vec<Op> = missing
            .map(|(key, id)| Op::put(key, id.as_bytes()))
            .collect();
        let missing = self.references.iter();
        let missing = missing.filter(|key| !references.contains(key.as_str()));
        ops.extend(missing.map(|key| Op::put(key, "")));
        let extra = unique
            .keys()
            .filter(|key| !self.unique.contains_key(&***key));
        ops.extend(extra.map(|key| Op::delete(&**key)));
        let extra = references
            .iter()
            .filter(|key| !self.references.contains(&***key));
        ops.extend(extra.map(|key| Op::delete(&**key)));
        ops
    }
}

/// What is left of routers that were deleted by force, if the server stopped
/// before all of it was gone.
fn leftovers(state: &State) -> Vec<Op> {
    let mut ops = Ops::default();
    let present = |id: &str| state.record(ROUTER, id).is_some_and(|r| r.row().is_some());
    for router in state.known_routers().filter(|id| !present(id)) {
        ops.forget_router(state, router);
    }
    ops.into_ops()
}
