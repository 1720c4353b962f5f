//! How often who calls was asked, and what came of it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sdwan_keystone::{Error, Session, Token};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// One counter an outcome, at hand without a look into the family: every
/// request counts.
pub(super) struct Counts {
    family: Family<Outcome, Counter>,
    pub(super) accepted: Counter,
    pub(super) missing: Counter,
    pub(super) refused: Counter,
    pub(super) unknowable: Counter,
}

impl Counts {
    pub(super) fn new() -> Self {
        let family = Family::<Outcome, Counter>::default();
        let counter = |outcome| family.get_or_create_owned(&Outcome { outcome });
        Self {
            accepted: counter("accepted"),
            missing: counter("missing"),
            refused: counter("refused"),
            unknowable: counter("unknowable"),
            family,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "sdwan_auth_requests",
            "Requests whose sender had to be known, by what came of it",
            self.family.clone(),
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    request: &'static str,
    outcome: &'static str,
}

/// What Keystone was asked, and how often it did not have to be.
pub(super) struct Requests {
    family: Family<Request, Counter>,
    pub(super) remembered: Counter,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            family: Family::default(),
            remembered: Counter::default(),
        }
    }

    pub(super) fn validation(&self, answer: &Result<Option<Token>, Error>) {
        let outcome = match answer {
            Ok(Some(_)) => "accepted",
            Ok(None) => "refused",
            Err(_) => "failed",
        };
        self.count("validation", outcome);
    }

    pub(super) fn login(&self, answer: &Result<Session, Error>) {
        let outcome = match answer {
            Ok(_) => "accepted",
            Err(Error::Refused { .. }) => "refused",
            Err(_) => "failed",
        };
        self.count("login", outcome);
    }

    fn count(&self, request: &'static str, outcome: &'static str) {
        let labels = Request { request, outcome };
        self.family.get_or_create(&labels).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "sdwan_auth_keystone_requests",
            "Requests to Keystone, by what came of them",
            self.family.clone(),
        );
        registry.register(
            "sdwan_auth_keystone_remembered",
            "Tokens that Keystone did not have to be asked about again",
            self.remembered.clone(),
        );
    }
}
