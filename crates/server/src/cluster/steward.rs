//! A member's claims: takes its share, hands over what became another's, and
//! everything when it leaves.

use super::share::{Moves, Owners, View};
use super::{Claim, Keeper, Membership, Tenure};
use crate::catalog::{Catalog, Error};
use crate::keys;
use crate::mirror::State;
use crate::mirror::record::encode;
use crate::reconcile::Supervisor;
use sdwan_store::{Condition, LeaseId, Op, Revision};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Routers that are no more and whose last member is not forgotten, with when
/// that was first seen.
type Fading = BTreeMap<Arc<str>, Instant>;

/// Routers of ours that no other server's calls are under way to, each with
/// the claim that this was found of.
type Sure = BTreeMap<Arc<str>, Revision>;

/// Routers in one commit; two keys each.
const AT_ONCE: usize = 1000;

/// So few routers are two conditions each: etcd compares 64 in one
/// transaction, more would take a look of their own.
const FEW: usize = 31;

/// Between two looks at the claims: what happens meanwhile is one look.
const PAUSE: Duration = Duration::from_millis(20);

/// Until what could not be done is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How long calls to routers that are handed over may take to end, and how
/// long the store may take to hear of it when this server leaves.
const GRACE: Duration = Duration::from_millis(400);

/// See the module.
pub struct Steward {
    catalog: Arc<Catalog>,
    membership: Arc<Membership>,
    supervisor: Arc<Supervisor>,
}

impl Steward {
    /// Nothing happens before [`Steward::run`].
    pub fn new(
        catalog: Arc<Catalog>,
        membership: Arc<Membership>,
        supervisor: Arc<Supervisor>,
    ) -> Self {
        Self {
            catalog,
            membership,
            supervisor,
        }
    }

    /// Looks after this member's share until `stop`; then hands it over. Alone
    /// it has everything and nobody to hand it to.
    pub async fn run(&self, stop: CancellationToken) {
        if !self.membership.role().works() {
            return;
        }
        if self.tenure().is_alone() {
            return Arc::clone(&self.supervisor).run(stop).await;
        }
        let rooms = CancellationToken::new();
        let supervisor = Arc::clone(&self.supervisor).run(rooms.clone());
        let supervisor = AbortOnDropHandle::new(tokio::spawn(supervisor));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.attend() => {}
        }
        self.membership.leave();
        let sure = self.sure(&self.catalog.state());
        rooms.cancel();
        if let Err(error) = supervisor.await {
            tracing::error!(%error, "the routers' supervisor did not end well");
        }
        if timeout(GRACE, self.leave(&sure)).await.is_err() {
            tracing::warn!(
                "the store does not answer: the routers wait until this member's lease has run out"
            );
        }
    }

    async fn attend(&self) {
        let (mut owners, mut fading) = (Owners::default(), Fading::default());
        loop {
            let (seen, lease) = (self.catalog.state().cluster_at(), self.lease());
            let done = match lease {
                Some(lease) => self.act(&mut owners, &mut fading, lease).await,
                None => Ok(()),
            };
            if let Err(error) = &done {
                tracing::debug!(%error, "claims are not as they should be yet");
            }
            sleep(PAUSE).await;
            tokio::select! {
                biased;
                () = self.catalog.cluster_changed(seen) => {}
                () = self.tenure().changed(lease) => {}
                () = sleep(RETRY), if done.is_err() || !fading.is_empty() => {}
            }
        }
    }

    fn lease(&self) -> Option<LeaseId> {
        self.tenure().term().map(|term| term.lease)
    }

    /// Does what there is to do by the newest state.
    async fn act(
        &self,
        owners: &mut Owners,
        fading: &mut Fading,
        lease: LeaseId,
    ) -> Result<(), Error> {
        let now = self.catalog.state();
        let mut moves = self.moves(&now, owners, lease);
        self.let_fade(&mut moves.forget, fading);
        if moves.is_empty() {
            return Ok(());
        }
        self.take(&moves, &now, lease).await?;
        let gone: BTreeSet<String> = moves.drop.iter().map(|router| router.to_string()).collect();
        let handed: BTreeSet<String> = moves
            .hand
            .iter()
            .map(|(router, ..)| router.to_string())
            .collect();
        let going: BTreeSet<String> = gone.union(&handed).cloned().collect();
        if going.is_empty() {
            return Ok(());
        }
        let sure = self.sure(&now);
        let left = self.supervisor.vacate(&going, GRACE).await;
        let done = self.hand(&moves, &left, &sure).await;
        self.supervisor.admit(&going);
        done?;
        match left.len() == going.len() {
            true => Ok(()),
            // Calls are still under way: again in a moment.
            false => Err(Error::Contended),
        }
    }

    fn moves(&self, now: &State, owners: &mut Owners, lease: LeaseId) -> Moves {
        let view = View {
            me: (self.tenure().instance(), lease),
            members: now.members().collect(),
            routers: now.router_ids().collect(),
            claim: &|router| now.claim(router),
            keeper: &|router| now.keeper(router),
            claimed: now.claimed().collect(),
            kept: now.kept().collect(),
        };
        view.moves(owners)
    }

    /// Leaves those whose last member's calls can't arrive any more.
    fn let_fade(&self, forget: &mut Vec<Arc<str>>, fading: &mut Fading) {
        let now = Instant::now();
        fading.retain(|router, _| forget.contains(router));
        for router in &*forget {
            fading.entry(Arc::clone(router)).or_insert(now);
        }
        let caution = self.supervisor.caution();
        forget.retain(|router| {
            fading
                .get(router)
                .is_some_and(|since| now >= *since + caution)
        });
    }

    /// As many as one commit takes; the rest is the next look's.
    async fn take(&self, moves: &Moves, base: &State, lease: LeaseId) -> Result<(), Error> {
        let me = self.tenure().instance();
        let mut then = Vec::new();
        for (router, keeper) in moves.take.iter().take(AT_ONCE) {
            // Our own last claim, of which nothing was missed, leaves nothing
            // to wait for that is not known here.
            let known = |keeper: &&Keeper| {
                *keeper.member == *me && self.supervisor.is_sure_since(router, keeper.at)
            };
            let from = keeper.as_ref().filter(|keeper| !known(keeper));
            let claim = Claim {
                member: me.to_owned(),
                lease: lease.0,
                from: from.map(|keeper| keeper.member.to_string()),
                handed: false,
            };
            then.push(put(router, &claim, lease));
            then.push(Op::put(keys::keeper(router), me));
        }
        let routers = moves.take.len().min(AT_ONCE);
        let forgotten = moves.forget.iter().take(AT_ONCE);
        then.extend(forgotten.map(|router| Op::delete(keys::keeper(router))));
        if (1..=FEW).contains(&routers) {
            // What others claim meanwhile is no reason to begin again; but
            // whoever had one of these meanwhile may have calls under way.
            let free = |(router, _): &(Arc<str>, _)| {
                let keeper = keys::keeper(router);
                [
                    Condition::Absent(keys::claim(router)),
                    Condition::NothingNewer(keeper, base.revision),
                ]
            };
            let when = moves.take.iter().flat_map(free).collect();
            self.catalog.commit_on(base, when, then).await?;
        } else if !then.is_empty() {
            self.commit(base, then).await?;
        }
        if routers > 0 {
            tracing::info!(routers, "claimed");
        }
        Ok(())
    }

    /// Hands over and drops those that nobody here works on any more.
    async fn hand(&self, moves: &Moves, left: &BTreeSet<String>, sure: &Sure) -> Result<(), Error> {
        let base = self.catalog.state();
        let free = |router: &Arc<str>| left.contains(&**router) && self.has(&base, router);
        let mut then = Vec::new();
        let mut routers = 0;
        let handed = moves.hand.iter().filter(|(router, ..)| free(router));
        for (router, to, lease) in handed.take(AT_ONCE) {
            let handed = self.is_sure(&base, router, sure);
            then.extend(self.handover(router, to, *lease, handed));
            routers += 1;
        }
        for router in moves
            .drop
            .iter()
            .filter(|router| free(router))
            .take(AT_ONCE)
        {
            then.push(Op::delete(keys::claim(router)));
            if self.is_sure(&base, router, sure) {
                then.push(Op::delete(keys::keeper(router)));
            }
            routers += 1;
        }
        if routers > 0 {
            self.commit(&base, then).await?;
            tracing::info!(routers, "handed over");
        }
        Ok(())
    }

    /// Everything to the others. Where a call did not end in time, they are
    /// left to find out that the router is free, and wait before they write.
    async fn leave(&self, sure: &Sure) {
        let mut owners = Owners::default();
        loop {
            let base = self.catalog.state();
            let me = self.tenure().instance();
            let others = base
                .members()
                .filter(|(id, member)| ***id != *me && member.takes());
            owners.among(others.map(|(id, _)| id));
            let ours = base.claimed().filter(|router| self.has(&base, router));
            let mut then = Vec::new();
            for router in ours.take(AT_ONCE) {
                let busy = self.supervisor.is_busy(router);
                let sure = self.is_sure(&base, router, sure);
                let heir = owners.of(router).filter(|_| !busy);
                match heir.and_then(|heir| Some((heir, base.member(heir)?))) {
                    Some((heir, member)) => {
                        then.extend(self.handover(router, heir, LeaseId(member.lease), sure));
                    }
                    None => {
                        then.push(Op::delete(keys::claim(router)));
                        let free = !busy && sure;
                        then.extend(free.then(|| Op::delete(keys::keeper(router))));
                    }
                }
            }
            if then.is_empty() {
                return;
            }
            if let Err(error) = self.commit(&base, then).await {
                tracing::debug!(%error, "handing over once more");
                sleep(PAUSE).await;
            }
        }
    }

    /// Where it is not `handed`, the heir waits before it writes.
    fn handover(&self, router: &str, to: &str, lease: LeaseId, handed: bool) -> [Op; 2] {
        let claim = Claim {
            member: to.to_owned(),
            lease: lease.0,
            from: Some(self.tenure().instance().to_owned()),
            handed,
        };
        [
            put(router, &claim, lease),
            Op::put(keys::keeper(router), to),
        ]
    }

    /// Our routers at which nobody's calls are under way but our own, by their
    /// claims: one may have been a dead server's a moment ago.
    fn sure(&self, state: &State) -> Sure {
        let sure = |router: &Arc<str>| {
            let claimed = state.claim(router)?;
            let waits = self.supervisor.waits(router);
            let sure = !waits.unwrap_or(claimed.claim.is_sudden());
            sure.then(|| (Arc::clone(router), claimed.at))
        };
        let ours = state.claimed().filter(|router| self.has(state, router));
        ours.filter_map(sure).collect()
    }

    /// Whether that is still so of a router by this state: it may have been
    /// another's meanwhile, or a call of ours may have been given up.
    fn is_sure(&self, state: &State, router: &Arc<str>, sure: &Sure) -> bool {
        let claim = state.claim(router).map(|claimed| &claimed.at);
        claim.is_some_and(|at| sure.get(router) == Some(at))
            && self.supervisor.waits(router) != Some(true)
    }

    /// Whether the router is ours, by this state.
    fn has(&self, state: &State, router: &str) -> bool {
        let claim = state.claim(router).map(|claimed| &claimed.claim);
        claim
            .zip(self.lease())
            .is_some_and(|(claim, lease)| claim.is(self.tenure().instance(), lease))
    }

    /// If no claim was written since `base`, nor one that is gone again.
    async fn commit(&self, base: &State, then: Vec<Op>) -> Result<(), Error> {
        let newest = |prefix: &str| Condition::NothingNewer(prefix.to_owned(), base.revision);
        let when = vec![newest(keys::CLAIMS), newest(keys::KEEPERS)];
        self.catalog.commit_on(base, when, then).await
    }

    fn tenure(&self) -> &Tenure {
        self.catalog.tenure()
    }
}

fn put(router: &str, claim: &Claim, lease: LeaseId) -> Op {
    Op::Put {
        key: keys::claim(router),
        value: encode(claim),
        lease: Some(lease),
    }
}
