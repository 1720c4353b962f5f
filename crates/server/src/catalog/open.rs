//! Start: may this server work with this store? Its format, every stored row
//! against today's schemas, and the indexes that today's schemas call for.

use super::pulse::Pulse;
use super::soundness::{Index, leftovers, misfits};
use super::worker::WORDS_AT_ONCE;
use super::{Catalog, Error, Options, Rest, key};
use crate::keys;
use crate::mirror::{Context, Mirror, State};
use sdwan_model::resource::ResourceRef;
use sdwan_model::schema::Schemas;
use sdwan_store::{Condition, Listing, Op, Store};
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

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
        Self::open_telling(store, schemas, options, None).await
    }

    /// As [`Catalog::open`]; `rest` is told what comes of deletions that an
    /// earlier server has not finished.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub(crate) async fn open_telling(
        store: Arc<dyn Store>,
        schemas: Arc<Schemas>,
        options: Options,
        rest: Option<Arc<dyn Rest>>,
    ) -> Result<Arc<Self>, Error> {
        let listing = store.list(keys::ALL).await?;
        let newest = options.format;
        let new = stored_format(&listing, newest)?.is_none();
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
        problems.extend_from_slice(index.collisions());
        refuse(&problems)?;
        let unfinished = unfinished(&state);
        let mirror = Arc::new(Mirror::new(Arc::clone(&store), state));
        let follower = tokio::spawn(Arc::clone(&mirror).follow());
        let catalog = Arc::new_cyclic(|catalog| {
            let pulse = tokio::spawn(Self::keep_pulse(Weak::clone(catalog)));
            Self {
                store,
                schemas,
                options,
                mirror,
                leading: tokio::sync::Mutex::default(),
                pulse: Pulse::new(),
                words: Semaphore::new(WORDS_AT_ONCE),
                cascades: TaskTracker::new(),
                ending: CancellationToken::new(),
                _tasks: [follower, pulse].map(AbortOnDropHandle::new),
            }
        });
        if new {
            catalog.begin().await?;
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
        catalog.go_on(unfinished, rest);
        Ok(catalog)
    }

    /// Writes the format into a store that had none when it was listed; it
    /// may have been one that a restore begins on.
    async fn begin(&self) -> Result<(), Error> {
        let newest = self.options.format;
        let absent = |key: &str| Condition::Absent(key.to_owned());
        let mut lost = Vec::new();
        loop {
            let when = vec![absent(keys::FORMAT), absent(keys::RESTORING)];
            let then = vec![Op::put(keys::FORMAT, newest.to_string())];
            if let Some(revision) = self.commit(when, then, &mut lost).await? {
                self.wait_for(revision).await;
                return Ok(());
            }
            // Another server was faster, or the commit got lost.
            let listing = self.store.list(keys::META).await?;
            if stored_format(&listing, newest)?.is_some() {
                return Ok(());
            }
        }
    }
}

/// The format of what the store holds; none of a new one.
///
/// # Errors
/// [`Error::Open`] where a server has to keep away from it: its format is newer
/// than `newest`, or a restore did not end.
pub(crate) fn stored_format(listing: &Listing, newest: u64) -> Result<Option<u64>, Error> {
    let value = |key| {
        let entry = listing.entries.iter().find(|e| e.key == key)?;
        Some(String::from_utf8_lossy(&entry.value))
    };
    if let Some(since) = value(keys::RESTORING) {
        return Err(Error::Open(format!(
            "the store is half restored: the restore that began at {since} runs still, or did \
             not end: restore again"
        )));
    }
    let Some(text) = value(keys::FORMAT) else {
        return Ok(None);
    };
    match text.parse::<u64>() {
        Ok(format) if format <= newest => Ok(Some(format)),
        Ok(format) => Err(Error::Open(format!(
            "the store has format {format}, this server knows formats up to {newest}: \
             use the sdwan that wrote it, or a newer one"
        ))),
        Err(_) => Err(Error::Open(format!(
            "the store's format {text:?} is not a number: this is no store of sdwan's"
        ))),
    }
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
