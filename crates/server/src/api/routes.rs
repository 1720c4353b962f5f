//! Which resource a path names: one table, built from the schemas when the
//! server starts, so that no kind needs code and two kinds that would share a
//! URL are told then.

use http::Method;
use indexmap::IndexMap;
use sdwan_model::schema::{Kind, Schemas};
use std::sync::Arc;

/// The label of agents' reports.
pub(crate) const FIB: &str = "fib";

/// What stands at a path.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// The rows of a kind.
    Collection(Arc<Kind>),
    /// One row, by id.
    Item(Arc<Kind>),
    /// The rows of a kind under one parent.
    NestedCollection(Arc<Kind>),
    /// One row under its parent.
    NestedItem(Arc<Kind>),
    /// Declared actions: methods, and the names of what they do.
    Actions(Arc<Kind>, Vec<Method>, Vec<String>),
    /// What a pass over a router would do.
    Plan,
    /// A router's table.
    Rib,
    /// What a router's agent says of the FIB.
    Fib,
    /// Every hold.
    Holds,
    /// One router's hold, or all routers'.
    Hold,
    /// Every token of the server's own.
    Tokens,
    /// One of them.
    Token,
    /// Several changes at once.
    Transaction,
    /// The servers that share the store.
    Cluster,
    /// Who did what on this server.
    Audit,
    /// The kinds, as Gohan's clients read them.
    Schemas,
    /// One kind.
    Schema,
    /// This server's version.
    Version,
    /// The API's description.
    OpenApi,
    /// The process answers.
    Healthz,
    /// It can work.
    Readyz,
    /// Prometheus' text.
    Metrics,
}

impl Endpoint {
    /// Whether also a server answers that only looks after routers: what it
    /// tells of itself.
    pub(crate) fn is_about_the_server(&self) -> bool {
        matches!(
            self,
            Self::Version
                | Self::Healthz
                | Self::Readyz
                | Self::Metrics
                | Self::Cluster
                | Self::Audit
        )
    }

    /// Whether anybody may ask, also where everybody else has to say who they
    /// are: probes have no password.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz)
    }

    /// The kind whose rows stand there.
    pub(crate) fn kind(&self) -> Option<&Arc<Kind>> {
        match self {
            Self::Collection(kind)
            | Self::Item(kind)
            | Self::NestedCollection(kind)
            | Self::NestedItem(kind)
            | Self::Actions(kind, ..) => Some(kind),
            _ => None,
        }
    }

    /// The methods that it takes, without HEAD and OPTIONS, which every
    /// endpoint takes where it makes sense.
    pub(crate) fn methods(&self) -> &[Method] {
        match self {
            Self::Collection(_) | Self::NestedCollection(_) => &[Method::GET, Method::POST],
            Self::Item(_) | Self::NestedItem(_) => {
                &[Method::GET, Method::PUT, Method::PATCH, Method::DELETE]
            }
            Self::Actions(_, methods, _) => methods,
            Self::Hold => &[Method::PUT, Method::DELETE],
            Self::Tokens => &[Method::GET, Method::POST],
            Self::Token => &[Method::DELETE],
            Self::Fib => &[Method::PUT],
            Self::Transaction => &[Method::POST],
            _ => &[Method::GET],
        }
    }

    /// Whether its path ends with the id of what it is about.
    pub(crate) fn names_one(&self) -> bool {
        matches!(
            self,
            Self::Item(_) | Self::NestedItem(_) | Self::Hold | Self::Plan | Self::Rib | Self::Fib
        )
    }

    /// A label for metrics: few values, whatever the path.
    fn label(&self) -> &str {
        match self {
            Self::Collection(kind) | Self::NestedCollection(kind) => &kind.plural,
            Self::Item(kind) | Self::NestedItem(kind) => &kind.singular,
            Self::Actions(..) => "action",
            Self::Plan => "plan",
            Self::Rib => "rib",
            Self::Fib => FIB,
            Self::Holds | Self::Hold => "hold",
            Self::Tokens | Self::Token => "token",
            Self::Transaction => "transaction",
            Self::Cluster => "cluster",
            Self::Audit => "audit",
            Self::Schemas | Self::Schema => "schema",
            Self::Version => "version",
            Self::OpenApi => "openapi",
            Self::Healthz | Self::Readyz => "health",
            Self::Metrics => "metrics",
        }
    }
}

/// A path's endpoint and the values of its variable segments, decoded.
#[derive(Debug)]
pub(crate) struct Matched<'r> {
    pub(crate) endpoint: &'r Endpoint,
    /// See [`Endpoint::label`].
    pub(crate) label: &'r Arc<str>,
    params: Vec<String>,
}

impl Matched<'_> {
    /// The last variable segment: a row's id.
    pub(crate) fn id(&self) -> &str {
        self.params.last().map_or("", String::as_str)
    }

    /// The first variable segment: the parent's id in a nested path.
    pub(crate) fn parent(&self) -> &str {
        self.params.first().map_or("", String::as_str)
    }
}

#[derive(Debug)]
struct Route {
    endpoint: Endpoint,
    label: Arc<str>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: matchit::Router<Route>,
    taken: Vec<String>,
}

impl Routes {
    /// Every route of these kinds and the server's own.
    ///
    /// # Errors
    /// Every route that is taken already.
    pub(crate) fn new(schemas: &Schemas) -> Result<Self, Vec<String>> {
        let mut routes = Self::default();
        routes.fixed(schemas);
        for kind in schemas.iter() {
            let url = kind.url();
            routes.add(&kind.id, &url, Endpoint::Collection(Arc::clone(kind)));
            let item = format!("{url}/{{id}}");
            routes.add(&kind.id, &item, Endpoint::Item(Arc::clone(kind)));
            routes.nested(schemas, kind);
            routes.actions(kind);
        }
        if routes.taken.is_empty() {
            Ok(routes)
        } else {
            Err(routes.taken)
        }
    }

    fn fixed(&mut self, schemas: &Schemas) {
        let own = "the server's own";
        self.add(own, "/gohan/v0.1/schemas", Endpoint::Schemas);
        self.add(own, "/gohan/v0.1/schemas/{id}", Endpoint::Schema);
        self.add(own, "/gohan/v0.1/version", Endpoint::Version);
        self.add(own, "/sdwan/v1/routers/{id}/fib", Endpoint::Fib);
        self.add(own, "/sdwan/v1/holds", Endpoint::Holds);
        self.add(own, "/sdwan/v1/holds/{id}", Endpoint::Hold);
        self.add(own, "/sdwan/v1/tokens", Endpoint::Tokens);
        self.add(own, "/sdwan/v1/tokens/{id}", Endpoint::Token);
        self.add(own, "/sdwan/v1/transaction", Endpoint::Transaction);
        self.add(own, "/sdwan/v1/cluster", Endpoint::Cluster);
        self.add(own, "/sdwan/v1/audit", Endpoint::Audit);
        self.add(own, "/openapi.json", Endpoint::OpenApi);
        self.add(own, "/healthz", Endpoint::Healthz);
        self.add(own, "/healthcheck", Endpoint::Healthz);
        self.add(own, "/readyz", Endpoint::Readyz);
        self.add(own, "/metrics", Endpoint::Metrics);
        if let Some(router) = schemas.get("router") {
            let url = router.url();
            self.add(own, &format!("{url}/{{id}}/plan"), Endpoint::Plan);
            self.add(own, &format!("{url}/{{id}}/rib"), Endpoint::Rib);
        }
    }

    /// `PREFIX/PARENTS/PARENT_ID/CHILDREN[/ID]`, below both prefixes where
    /// parent and child have different ones.
    fn nested(&mut self, schemas: &Schemas, kind: &Arc<Kind>) {
        let Some(parent) = kind.parent.as_deref().and_then(|p| schemas.get(p)) else {
            return;
        };
        let mut prefixes = vec![kind.prefix.as_str()];
        if parent.prefix != kind.prefix {
            prefixes.push(&parent.prefix);
        }
        for prefix in prefixes {
            let url = format!("{prefix}/{}/{{id}}/{}", parent.plural, kind.plural);
            self.add(&kind.id, &url, Endpoint::NestedCollection(Arc::clone(kind)));
            let item = format!("{url}/{{child}}");
            self.add(&kind.id, &item, Endpoint::NestedItem(Arc::clone(kind)));
        }
    }

    fn actions(&mut self, kind: &Arc<Kind>) {
        let mut by_path: IndexMap<String, (Vec<Method>, Vec<String>)> = IndexMap::new();
        for (name, action) in &kind.actions {
            let Ok(method) = action.method.to_uppercase().parse::<Method>() else {
                let message = format!(
                    "action {name} of {}: {:?} is no method",
                    kind.id, action.method
                );
                self.taken.push(message);
                continue;
            };
            let path = pattern(&kind.url(), &action.path);
            let (methods, names) = by_path.entry(path).or_default();
            methods.push(method);
            names.push(name.clone());
        }
        for (path, (methods, names)) in by_path {
            self.add(
                &kind.id,
                &path,
                Endpoint::Actions(Arc::clone(kind), methods, names),
            );
        }
    }

    fn add(&mut self, owner: &str, path: &str, endpoint: Endpoint) {
        let label = endpoint.label().into();
        if let Err(error) = self.table.insert(path, Route { endpoint, label }) {
            let message = match error {
                matchit::InsertError::Conflict { with } => {
                    format!("{owner}: its URL {path} is taken by {with}")
                }
                _ => format!("{owner}: {path} can't be a URL"),
            };
            self.taken.push(message);
        }
    }

    /// What stands at this path, as it came in the request.
    pub(crate) fn find(&self, path: &str) -> Option<Matched<'_>> {
        // One trailing slash is the same resource; two are not.
        let path = match path.strip_suffix('/') {
            Some("") | None => path,
            Some(rest) => rest,
        };
        let found = self.table.at(path).ok()?;
        let params = found.params.iter().map(|(_, raw)| decode(raw));
        Some(Matched {
            endpoint: &found.value.endpoint,
            label: &found.value.label,
            params: params.collect::<Option<_>>()?,
        })
    }
}

/// An action's path as Gohan writes it (`/:id/reboot`) below its kind's URL.
fn pattern(url: &str, path: &str) -> String {
    let segments = path.split('/').filter(|s| !s.is_empty());
    let below: String = segments
        .map(|segment| match segment.strip_prefix(':') {
            Some(name) => format!("/{{{name}}}"),
            None => format!("/{}", segment.replace('{', "{{").replace('}', "}}")),
        })
        .collect();
    format!("{url}{below}")
}

/// A path that is no route's, decoded, so that rules about paths hold however
/// it is spelled. `None` where it goes round about to what has a path of its
/// own, or is no text.
pub(crate) fn plain(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut segments = path.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = decode(segment)?;
        // A folder's path ends in a slash.
        let empty = name.is_empty() && segments.peek().is_some();
        if empty || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return None;
        }
        plain.push('/');
        plain.push_str(&name);
    }
    Some(plain)
}

/// One percent-decoded segment; `None` where it is no text.
fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
