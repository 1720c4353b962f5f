//! `clouds.yaml`, and `secure.yaml` with the secrets beside it.

use super::layer::Layer;
use crate::error::Error;
use sdwan_model::document::{self, Document, Node};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Where the files may be: the first that is there counts.
pub(super) struct Places {
    clouds: Vec<PathBuf>,
    secure: Vec<PathBuf>,
}

impl Places {
    /// The usual ones, or the one that the environment names.
    pub(super) fn of(environment: &Layer) -> Self {
        let home = environment.get("HOME");
        let configuration = environment
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| home.map(|home| PathBuf::from(home).join(".config")));
        let folders = [
            Some(PathBuf::from(".")),
            configuration.map(|folder| folder.join("openstack")),
            Some(PathBuf::from("/etc/openstack")),
        ];
        let places = |variable: &str, name: &str| match environment.get(variable) {
            Some(path) => vec![PathBuf::from(path)],
            None => {
                let folders = folders.iter().flatten();
                let both = folders.flat_map(|folder| {
                    ["yaml", "yml"].map(|kind| folder.join(format!("{name}.{kind}")))
                });
                both.collect()
            }
        };
        Self {
            clouds: places("OS_CLIENT_CONFIG_FILE", "clouds"),
            secure: places("OS_CLIENT_SECURE_FILE", "secure"),
        }
    }
}

/// The settings of one cloud.
///
/// # Errors
/// [`Error::Usage`]: there is no such cloud, and which there are; or what is
/// wrong in a file, with its place.
pub(super) fn cloud(name: &str, places: &Places) -> Result<Layer, Error> {
    let Some(clouds) = read(&places.clouds)? else {
        let looked = places.clouds.iter().map(|p| p.display().to_string());
        return Err(Error::Usage(format!(
            "there is no clouds.yaml with a cloud {name:?}: looked for {}",
            looked.collect::<Vec<_>>().join(", ")
        )));
    };
    let wrong = |error: document::Error| Error::Usage(error.to_string());
    let secure = read(&places.secure)?;
    let mut layer = Layer::named(&format!("{}: {name}", clouds.name));
    // What is secure goes over the rest.
    if let Some(secure) = &secure
        && let Some(cloud) = find(secure, name)
    {
        settings(&cloud, &mut layer).map_err(wrong)?;
    }
    let Some(cloud) = find(&clouds, name) else {
        return Err(Error::Usage(unknown(&clouds, name)));
    };
    let mut open = Layer::named("");
    settings(&cloud, &mut open).map_err(wrong)?;
    layer.complete(open);
    Ok(layer)
}

fn read(places: &[PathBuf]) -> Result<Option<Document>, Error> {
    for path in places {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let document = Document::parse(&shown, &text);
                return document
                    .map(Some)
                    .map_err(|error| Error::Usage(error.to_string()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::Usage(format!("{shown}: {error}"))),
        }
    }
    Ok(None)
}

fn find<'a>(document: &'a Document, name: &str) -> Option<Node<'a>> {
    document.root().get("clouds")?.get(name)
}

fn unknown(document: &Document, name: &str) -> String {
    let clouds = document.root().get("clouds");
    let names: Vec<_> = clouds
        .and_then(|clouds| clouds.object().ok())
        .map(|clouds| clouds.keys().cloned().collect())
        .unwrap_or_default();
    match names.is_empty() {
        true => format!("{}: there are no clouds in it", document.name),
        false => format!(
            "{}: there is no cloud {name:?}, but {}",
            document.name,
            names.join(", ")
        ),
    }
}

/// What of a cloud concerns us: OpenStack's other services have settings there
/// too.
fn settings(cloud: &Node<'_>, layer: &mut Layer) -> Result<(), document::Error> {
    for (key, node) in cloud.members()? {
        match key {
            "auth" => {
                for (key, node) in node.members()? {
                    put(layer, key, &node)?;
                }
            }
            "verify" | "insecure" if node.value().as_bool() == Some(key == "insecure") => {
                return Err(node.error(
                    "certificates are always checked here: name the authority's with `cacert`",
                ));
            }
            "profile" | "vendor_file" => {
                return Err(node.error(
                    "profiles of vendors are not known here: write their auth_url into the cloud",
                ));
            }
            "regions" => {
                if let Some(first) = node.items()?.first() {
                    let name = first.get("name").unwrap_or_else(|| first.clone());
                    put(layer, "region_name", &name)?;
                }
            }
            _ => put(layer, key, &node)?,
        }
    }
    Ok(())
}

fn put(layer: &mut Layer, key: &str, node: &Node<'_>) -> Result<(), document::Error> {
    // A password of digits has to be quoted: as a number it may not be the same.
    if Layer::knows(key) && !node.value().is_null() {
        layer.put_any(key, node.text()?.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUDS: &str = "\
clouds:
  wan:
    auth: &auth
      auth_url: http://192.0.2.1:5000/v3
      username: op
      project_name: blue
      user_domain_name: Default
    region_name: RegionOne
    interface: internal
    identity_api_version: 3
    compute: {timeout: 3}
  twin:
    auth: {auth_url: http://192.0.2.2/v3, username: op, tenant_name: blue, password: '0123'}
    regions: [{name: Two}, Three]
";

    fn places(folder: &tempfile::TempDir) -> Places {
        let path = |name| vec![folder.path().join("none.yaml"), folder.path().join(name)];
        Places {
            clouds: path("clouds.yaml"),
            secure: path("secure.yaml"),
        }
    }

    fn written(clouds: &str, secure: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("clouds.yaml"), clouds).unwrap();
        if !secure.is_empty() {
            std::fs::write(folder.path().join("secure.yaml"), secure).unwrap();
        }
        folder
    }

    fn why(folder: &tempfile::TempDir, name: &str) -> String {
        let error = cloud(name, &places(folder)).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        error.to_string()
    }

    #[test]
    fn a_cloud_is_completed_by_what_is_secure() {
        let secure = "clouds: {wan: {auth: {password: hunter2, project_name: red}}}";
        let folder = written(CLOUDS, secure);
        let layer = cloud("wan", &places(&folder)).unwrap();
        assert_eq!(layer.get("password"), Some("hunter2"));
        assert_eq!(layer.get("project_name"), Some("red"));
        assert_eq!(layer.get("username"), Some("op"));
        assert_eq!(layer.get("region_name"), Some("RegionOne"));
        assert_eq!(layer.get("interface"), Some("internal"));
        let twin = cloud("twin", &places(&folder)).unwrap();
        assert_eq!(twin.get("project_name"), Some("blue"));
        assert_eq!(twin.get("password"), Some("0123"));
        assert_eq!(twin.get("region_name"), Some("Two"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let folder = written(CLOUDS, "");
        let text = why(&folder, "lan");
        assert!(
            text.ends_with("there is no cloud \"lan\", but wan, twin"),
            "{text}"
        );
        let off = written("clouds:\n  wan:\n    verify: false\n", "");
        let text = why(&off, "wan");
        assert!(
            text.contains("clouds.yaml:3:5: certificates are always checked"),
            "{text}"
        );
        let list = written(
            "clouds:\n  wan:\n    auth:\n      password: [hunter2]\n",
            "",
        );
        let text = why(&list, "wan");
        assert!(
            text.contains("clouds.yaml:4:7") && !text.contains("hunter2"),
            "{text}"
        );
        let none = tempfile::tempdir().unwrap();
        assert!(why(&none, "wan").contains("none.yaml"));
    }

    #[test]
    fn the_usual_places_are_looked_at_in_order() {
        let environment = Layer::environment(|name| match name {
            "HOME" => Some("/home/op".to_owned()),
            "OS_CLIENT_SECURE_FILE" => Some("/run/secure.yaml".to_owned()),
            _ => None,
        });
        let places = Places::of(&environment);
        let shown: Vec<_> = places
            .clouds
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        assert_eq!(shown.len(), 6);
        assert_eq!(shown[0], "./clouds.yaml");
        assert_eq!(shown[2], "/home/op/.config/openstack/clouds.yaml");
        assert_eq!(shown[4], "/etc/openstack/clouds.yaml");
        assert_eq!(places.secure, [PathBuf::from("/run/secure.yaml")]);
    }
}
