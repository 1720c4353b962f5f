//! One source of settings, under the names of `clouds.yaml`; and several, of
//! which the first that says something counts.

use super::CloudArguments;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;

/// The settings of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    /// What the source is called in messages, before a setting's name.
    source: String,
    /// Secrets among them.
    values: BTreeMap<&'static str, SecretString>,
}

/// A setting: its name, and further names of the same in `clouds.yaml` and,
/// in capitals behind `OS_`, in the environment.
struct Setting(&'static str, &'static [&'static str]);

const SETTINGS: [Setting; 26] = [
    Setting("auth_url", &[]),
    Setting("auth_type", &[]),
    Setting("username", &["user_name"]),
    Setting("user_id", &[]),
    Setting("password", &[]),
    Setting("project_name", &["tenant_name"]),
    Setting("project_id", &["tenant_id"]),
    Setting("user_domain_name", &[]),
    Setting("user_domain_id", &[]),
    Setting("project_domain_name", &[]),
    Setting("project_domain_id", &[]),
    Setting("domain_name", &[]),
    Setting("domain_id", &[]),
    Setting("default_domain_name", &["default_domain"]),
    Setting("default_domain_id", &[]),
    Setting("system_scope", &[]),
    Setting("application_credential_id", &[]),
    Setting("application_credential_name", &[]),
    Setting("application_credential_secret", &[]),
    Setting("token", &["token_id", "auth_token"]),
    Setting("region_name", &["region"]),
    Setting("interface", &["endpoint_type"]),
    Setting("cacert", &[]),
    Setting("cert", &[]),
    Setting("key", &[]),
    Setting("cloud", &[]),
];

/// Of the environment alone: where clouds.yaml is.
const PLACES: [&str; 4] = [
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
    "XDG_CONFIG_HOME",
    "HOME",
];

impl Layer {
    /// The environment, read through `get`. An empty variable counts as unset.
    pub(crate) fn environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let mut layer = Self::default();
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        for Setting(name, others) in SETTINGS {
            let mut names = std::iter::once(&name).chain(others);
            let found = names.find_map(|name| get(&format!("OS_{}", name.to_uppercase())));
            layer.put(name, found);
        }
        for name in PLACES {
            layer.put(name, get(name));
        }
        layer
    }

    pub(super) fn flags(arguments: &CloudArguments) -> Self {
        let mut layer = Self::named("--os-");
        layer.put("project_name", arguments.os_project_name.clone());
        layer.put("region_name", arguments.os_region_name.clone());
        layer.put("cacert", arguments.os_cacert.clone());
        layer
    }

    /// An empty one.
    pub(super) fn named(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..Self::default()
        }
    }

    /// Adds what is not there yet.
    pub(super) fn complete(&mut self, other: Self) {
        for (name, value) in other.values {
            self.values.entry(name).or_insert(value);
        }
    }

    /// Whether a name in `clouds.yaml` is a setting's.
    pub(super) fn knows(key: &str) -> bool {
        SETTINGS
            .iter()
            .any(|Setting(name, others)| *name == key || others.contains(&key))
    }

    /// A setting by any of its names in `clouds.yaml`; false where there is no
    /// such setting. Its own name goes over the others.
    pub(super) fn put_any(&mut self, key: &str, value: String) -> bool {
        let Some(Setting(name, _)) = SETTINGS
            .iter()
            .find(|Setting(name, others)| *name == key || others.contains(&key))
        else {
            return false;
        };
        if *name == key || !self.values.contains_key(name) {
            self.put(name, Some(value));
        }
        true
    }

    fn put(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.values.insert(name, value.into());
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.expose_secret())
    }

    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.values.contains_key(name))
    }

    /// What a setting of this source is called.
    pub(super) fn name(&self, setting: &str) -> String {
        match self.source.as_str() {
            "" => format!("OS_{}", setting.to_uppercase()),
            "--os-" => format!("--os-{}", setting.replace('_', "-")),
            source => format!("{source}: {setting}"),
        }
    }
}

/// Several, the most important first.
pub(super) struct Layers(pub(super) Vec<Layer>);

impl Layers {
    /// A setting's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|layer| layer.get(name))
    }

    /// The value, and what the setting is called where it stands.
    pub(super) fn get_named(&self, name: &str) -> Option<(&str, String)> {
        let mut layers = self.0.iter();
        layers.find_map(|layer| Some((layer.get(name)?, layer.name(name))))
    }

    /// A secret of that which `owner` names. One that stands beside another
    /// owner, less important, is that one's.
    pub(super) fn secret(&self, name: &str, owner: &[&str]) -> Option<SecretString> {
        let owned = self.0.iter().position(|layer| layer.has_any(owner));
        let mut layers = self.0.iter().enumerate();
        layers.find_map(|(at, layer)| {
            let another = owned.is_some_and(|owned| at > owned) && layer.has_any(owner);
            let value = layer.values.get(name).filter(|_| !another);
            value.cloned()
        })
    }

    /// The first that has any of these: settings that mean one thing together
    /// are not to be put together from several sources.
    pub(super) fn first_with(&self, names: &[&str]) -> Option<&Layer> {
        self.0.iter().find(|layer| layer.has_any(names))
    }
}
