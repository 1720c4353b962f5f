//! Where each service is, as Keystone tells with a token.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// The services and their endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    services: Vec<Service>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Service {
    /// E.g. `gohan`; some have none.
    #[serde(default)]
    name: Option<String>,
    /// E.g. `identity`.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: Option<String>,
    /// The region's id; `region` is its old name.
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    /// Null where the template could not be filled in.
    #[serde(default)]
    url: Option<String>,
}

/// For whom an endpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// Everybody.
    #[default]
    Public,
    /// Services among each other.
    Internal,
    /// Operators.
    Admin,
}

impl Interface {
    /// As in a catalog.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Interface {
    type Err = String;

    /// `public`, or `publicURL` as it was called in v2.0.
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Public, Self::Internal, Self::Admin];
        let name = text.strip_suffix("URL").unwrap_or(text);
        all.into_iter()
            .find(|interface| interface.name() == name)
            .ok_or_else(|| format!("{text:?} is none of public, internal, admin"))
    }
}

/// No such endpoint, and which there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(String);

impl Catalog {
    /// Reads the body of an answer to `GET /v3/auth/catalog`.
    ///
    /// # Errors
    /// In plain words, where it is no such answer.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Answer {
            catalog: Catalog,
        }
        let answer: Result<Answer, _> = serde_json::from_slice(body);
        answer
            .map(|answer| answer.catalog)
            .map_err(|_| "its answer holds no catalog".to_owned())
    }

    /// Whether there is nothing in it, as with a token without scope.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The URL of a service, which is known by its name or else by its type;
    /// in any region where none is asked for.
    ///
    /// # Errors
    /// [`Missing`], naming what there is.
    pub fn endpoint(
        &self,
        service: &str,
        region: Option<&str>,
        interface: Interface,
    ) -> Result<&str, Missing> {
        let by = |key: fn(&Service) -> Option<&String>| -> Vec<&Service> {
            let found = self.services.iter();
            found
                .filter(|s| key(s).is_some_and(|text| text == service))
                .collect()
        };
        let mut found = by(|s| s.name.as_ref());
        if found.is_empty() {
            found = by(|s| s.kind.as_ref());
        }
        if found.is_empty() {
            return Err(self.no_service(service));
        }
        let endpoints: Vec<_> = found.iter().flat_map(|s| &s.endpoints).collect();
        endpoints
            .iter()
            .filter(|e| e.is_for(interface) && region.is_none_or(|region| e.is_in(region)))
            .find_map(|endpoint| endpoint.url.as_deref())
            .ok_or_else(|| no_endpoint(service, region, interface, &endpoints))
    }

    fn no_service(&self, service: &str) -> Missing {
        let names: Vec<_> = self.services.iter().map(ToString::to_string).collect();
        let there = match names.is_empty() {
            true => "it is empty: the token is for no project".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        Missing(format!(
            "Keystone's catalog has no service {service:?}: {there}"
        ))
    }
}

fn no_endpoint(
    service: &str,
    region: Option<&str>,
    interface: Interface,
    endpoints: &[&Endpoint],
) -> Missing {
    let wanted = match region {
        Some(region) => format!("{} endpoint in region {region:?}", interface.name()),
        None => format!("{} endpoint", interface.name()),
    };
    let there: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    let there = match there.is_empty() {
        true => "it has none at all".to_owned(),
        false => format!("it has {}", there.join(", ")),
    };
    Missing(format!(
        "service {service:?} has no {wanted} in Keystone's catalog: {there}"
    ))
}

impl Endpoint {
    fn is_for(&self, interface: Interface) -> bool {
        let own = self.interface.as_deref();
        own.is_some_and(|own| own.parse() == Ok(interface))
    }

    fn is_in(&self, region: &str) -> bool {
        [&self.region_id, &self.region].contains(&&Some(region.to_owned()))
    }
}

/// `gohan (network)`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.kind) {
            (Some(name), Some(kind)) => write!(f, "{name} ({kind})"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("one without a name"),
        }
    }
}

/// `public in RegionOne`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.interface.as_deref().unwrap_or("one"))?;
        match self.region_id.as_ref().or(self.region.as_ref()) {
            Some(region) => write!(f, " in {region}"),
            None => f.write_str(" in no region"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn catalog() -> Catalog {
        let endpoint = |interface: &str, region: &str, port: u16| {
            json!({"id": "e", "interface": interface, "region": region, "region_id": region,
                "url": format!("http://192.0.2.1:{port}")})
        };
        serde_json::from_value(json!([
            {"id": "1", "type": "identity", "name": "keystone",
                "endpoints": [endpoint("public", "RegionOne", 5000)]},
            {"id": "2", "type": "gohan", "name": "gohan", "endpoints": [
                endpoint("internal", "RegionOne", 1),
                endpoint("public", "RegionOne", 2),
                endpoint("public", "RegionTwo", 3)]},
            {"id": "3", "type": "dns", "endpoints": []},
        ]))
        .unwrap()
    }

    fn find(service: &str, region: Option<&str>, interface: Interface) -> Result<String, String> {
        catalog()
            .endpoint(service, region, interface)
            .map(str::to_owned)
            .map_err(|missing| missing.to_string())
    }

    #[test]
    fn a_service_is_found_by_name_or_type_region_and_interface() {
        let public = Interface::Public;
        let url = |port: u16| Ok(format!("http://192.0.2.1:{port}"));
        assert_eq!(find("identity", None, public), url(5000));
        assert_eq!(find("gohan", None, public), url(2));
        assert_eq!(find("gohan", Some("RegionTwo"), public), url(3));
        assert_eq!(
            find("gohan", Some("RegionOne"), Interface::Internal),
            url(1)
        );
    }

    #[test]
    fn what_is_there_is_named_where_the_wanted_is_not() {
        let public = Interface::Public;
        assert_eq!(
            find("sdwan", None, public).unwrap_err(),
            "Keystone's catalog has no service \"sdwan\": there are keystone (identity), gohan \
             (gohan), dns"
        );
        assert_eq!(
            find("gohan", Some("Three"), public).unwrap_err(),
            "service \"gohan\" has no public endpoint in region \"Three\" in Keystone's catalog: \
             it has internal in RegionOne, public in RegionOne, public in RegionTwo"
        );
        let none = find("dns", None, Interface::Admin).unwrap_err();
        assert!(none.ends_with("it has none at all"), "{none}");
        let empty = Catalog::default();
        let empty = empty.endpoint("gohan", None, public).unwrap_err();
        assert!(empty.to_string().contains("for no project"), "{empty}");
    }

    #[test]
    fn interfaces_go_by_their_old_names_too() {
        assert_eq!("publicURL".parse(), Ok(Interface::Public));
        assert_eq!("admin".parse(), Ok(Interface::Admin));
        assert!("outer".parse::<Interface>().is_err());
    }
}
