//! Which cases go to the daemons. Random plans are much alike, and a daemon
//! has time for a few: so the planner's different ways take turns, and cases
//! are drawn until one goes that way.

use crate::case::{Case, any_case};
use anyhow::{Context as _, Result};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sdwan_lab::sim::Flavor;
use sdwan_model::config::Direction;
use sdwan_model::plan::{Op, Plan, Stage};

/// No way is so rare that this many cases are without it.
const DRAWS: usize = 20_000;

/// A way that a plan may go, and its name.
type Way = (&'static str, fn(&Plan) -> bool);

const WAYS: [Way; 8] = [
    ("new peers with policies", |plan| {
        has(plan, Stage::AddPeers, |_| true) && has(plan, Stage::Assign, |_| true)
    }),
    ("what goes is swept, all at once", |plan| {
        has(plan, Stage::Sweep, sets_policies) && !has(plan, Stage::Restore, |_| true)
    }),
    ("twins, all at once", |plan| {
        has(plan, Stage::Restore, sets_policies)
    }),
    ("twins, one by one", |plan| {
        has(plan, Stage::Restore, |op| matches!(op, Op::AddPolicy(_)))
    }),
    ("sets grow and shrink", |plan| {
        let shrinks = |op: &Op| matches!(op, Op::DeleteNeighborSet(_, Some(_)));
        let grows = |op: &Op| matches!(op, Op::AddNeighborSet(..));
        has(plan, Stage::SweepSets, shrinks) && has(plan, Stage::Sets, grows)
    }),
    ("policies go one by one", |plan| {
        let deletes = |op: &Op| matches!(op, Op::DeletePolicy(_));
        has(plan, Stage::Unload, deletes) && !has(plan, Stage::Restore, |_| true)
    }),
    ("refreshes both ways", |plan| {
        [Direction::Import, Direction::Export].iter().all(|way| {
            let of = |op: &Op| matches!(op, Op::SoftReset(_, direction) if direction == way);
            has(plan, Stage::Refresh, of)
        })
    }),
    ("sessions begin anew", |plan| {
        has(plan, Stage::UpdatePeers, |_| true) && has(plan, Stage::Refresh, |_| true)
    }),
];

fn has(plan: &Plan, stage: Stage, of: impl Fn(&Op) -> bool) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| step.stage == stage && of(&step.op))
}

fn sets_policies(op: &Op) -> bool {
    matches!(op, Op::SetPolicies { .. })
}

/// A case, and where its plan is broken off.
pub(crate) struct Drawn {
    /// The way that it was drawn for.
    pub(crate) way: &'static str,
    pub(crate) case: Case,
    pub(crate) after: Index,
    pub(crate) unheard: bool,
}

/// Draws cases for one release.
pub(crate) struct Draw {
    runner: TestRunner,
    flavor: Flavor,
    drawn: usize,
}

impl Draw {
    /// The same for the same seed, and other ones for each release.
    pub(crate) fn new(flavor: Flavor, seed: u32) -> Self {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&seed.to_le_bytes());
        bytes[4..6].copy_from_slice(&flavor.minor.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            runner: TestRunner::new_with_rng(Config::default(), random),
            flavor,
            drawn: 0,
        }
    }

    /// The next case, which goes the next way.
    pub(crate) fn next(&mut self) -> Result<Drawn> {
        let (way, goes) = WAYS[self.drawn % WAYS.len()];
        self.drawn += 1;
        let strategy = (any_case(), any::<Index>(), any::<bool>());
        for _ in 0..DRAWS {
            let drawn = strategy.new_tree(&mut self.runner);
            let (case, after, unheard) = drawn.map_err(anyhow::Error::msg)?.current();
            let case = Case {
                flavor: self.flavor,
                ..case
            };
            let (start, desired) = case.stage();
            if goes(&start.plan(&desired)) {
                return Ok(Drawn {
                    way,
                    case,
                    after,
                    unheard,
                });
            }
        }
        Err(anyhow::anyhow!("none in {DRAWS} cases")).context(way)
    }
}
