//! From the settings to what a login needs.

use super::layer::{Layer, Layers};
use super::{Cloud, Proof};
use reqwest::Url;
use sdwan_http::Tls;
use sdwan_keystone::credentials::{ApplicationCredential, Domain, Named, Target};
use sdwan_keystone::{Credentials, Interface};
use std::path::PathBuf;

const USER: [&str; 2] = ["user_id", "username"];
const SCOPE: [&str; 5] = [
    "project_id",
    "project_name",
    "system_scope",
    "domain_id",
    "domain_name",
];
const APPLICATION_CREDENTIAL: [&str; 2] =
    ["application_credential_id", "application_credential_name"];

/// How somebody proves himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Token,
    ApplicationCredential,
    Password,
}

/// # Errors
/// In words that name the setting.
pub(super) fn pick(layers: &Layers) -> Result<Cloud, String> {
    let auth_url = match layers.get_named("auth_url") {
        None => None,
        // It is not quoted: somebody may have put a password into it.
        Some((text, name)) => Some(url(text).ok_or_else(|| {
            format!("{name} is no URL such as http://192.0.2.1:5000/v3, without a user in it")
        })?),
    };
    let interface = match layers.get_named("interface") {
        None => Interface::default(),
        Some((text, name)) => text.parse().map_err(|why| format!("{name}: {why}"))?,
    };
    Ok(Cloud {
        auth_url,
        proof: proof(layers)?,
        region: layers.get("region_name").map(str::to_owned),
        interface,
        tls: tls(layers)?,
    })
}

fn url(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let alone = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && alone).then_some(url)
}

fn tls(layers: &Layers) -> Result<Tls, String> {
    let identity = match (layers.get_named("cert"), layers.get_named("key")) {
        (Some((certificate, _)), Some((key, _))) => Some((certificate.into(), key.into())),
        (None, None) => None,
        (Some((_, name)), None) => return Err(format!("{name} needs a key, e.g. OS_KEY")),
        (None, Some((_, name))) => return Err(format!("{name} needs a certificate, e.g. OS_CERT")),
    };
    Ok(Tls {
        ca_file: layers.get("cacert").map(PathBuf::from),
        identity,
    })
}

fn proof(layers: &Layers) -> Result<Proof, String> {
    let Some(method) = method(layers)? else {
        return Ok(Proof::None);
    };
    Ok(match method {
        Method::Token => {
            let token = layers.get("token");
            let token = token.ok_or("auth_type asks for a token: set OS_TOKEN")?;
            Proof::Token {
                token: token.into(),
                target: target(layers)?,
            }
        }
        Method::ApplicationCredential => {
            let credential = application_credential(layers)?;
            let secret = layers
                .secret("application_credential_secret", &APPLICATION_CREDENTIAL)
                .ok_or("an application credential needs OS_APPLICATION_CREDENTIAL_SECRET")?;
            Proof::Credentials(Credentials::ApplicationCredential { credential, secret })
        }
        Method::Password => {
            let user = user(layers).ok_or("a password needs a user: set OS_USERNAME")?;
            let target = target(layers)?;
            let password = layers.secret("password", &USER);
            let there = password.is_some();
            let credentials = Credentials::Password {
                user,
                password: password.unwrap_or_default(),
                target,
            };
            match there {
                true => Proof::Credentials(credentials),
                false => Proof::WithoutPassword(credentials),
            }
        }
    })
}

/// The most important source that has a proof decides; within one a token goes
/// over an application credential, and that over a password.
fn method(layers: &Layers) -> Result<Option<Method>, String> {
    if let Some((text, name)) = layers.get_named("auth_type") {
        return match text {
            "password" | "v3password" | "v2password" => Ok(Some(Method::Password)),
            "token" | "v3token" | "v2token" => Ok(Some(Method::Token)),
            "v3applicationcredential" => Ok(Some(Method::ApplicationCredential)),
            "none" => Ok(None),
            _ => Err(format!(
                "{name}: {text:?} is none of password, token, v3applicationcredential, none"
            )),
        };
    }
    let of = |layer: &Layer| {
        if layer.has_any(&["token"]) {
            Some(Method::Token)
        } else if layer.has_any(&APPLICATION_CREDENTIAL) {
            Some(Method::ApplicationCredential)
        } else if layer.has_any(&["password"]) || layer.has_any(&USER) {
            Some(Method::Password)
        } else {
            None
        }
    };
    Ok(layers.0.iter().find_map(of))
}

fn application_credential(layers: &Layers) -> Result<ApplicationCredential, String> {
    let layer = layers
        .first_with(&APPLICATION_CREDENTIAL)
        .ok_or("auth_type asks for an application credential: set OS_APPLICATION_CREDENTIAL_ID")?;
    if let Some(id) = layer.get("application_credential_id") {
        return Ok(ApplicationCredential::Id(id.to_owned()));
    }
    let name = layer.get("application_credential_name").unwrap_or_default();
    let user = user(layers).ok_or(
        "an application credential by its name needs its user: set OS_USERNAME, or \
         OS_APPLICATION_CREDENTIAL_ID instead of the name",
    )?;
    Ok(ApplicationCredential::Name {
        name: name.to_owned(),
        user,
    })
}

fn user(layers: &Layers) -> Option<Named> {
    let layer = layers.first_with(&USER)?;
    Some(match layer.get("user_id") {
        Some(id) => Named::Id(id.to_owned()),
        None => Named::Name {
            name: layer.get("username")?.to_owned(),
            domain: domain(layers, ["user_domain_id", "user_domain_name"]),
        },
    })
}

/// A domain that a name is in; as in v2.0, where nothing else is said, the one
/// that was there before there were domains.
fn domain(layers: &Layers, own: [&str; 2]) -> Domain {
    let groups = [
        own,
        ["domain_id", "domain_name"],
        ["default_domain_id", "default_domain_name"],
    ];
    let found = groups.iter().find_map(|[id, name]| {
        let layer = layers.first_with(&[id, name])?;
        Some(match layer.get(id) {
            Some(id) => Domain::Id(id.to_owned()),
            None => Domain::Name(layer.get(name)?.to_owned()),
        })
    });
    found.unwrap_or_default()
}

fn target(layers: &Layers) -> Result<Target, String> {
    let Some(layer) = layers.first_with(&SCOPE) else {
        return Ok(Target::Usual);
    };
    if let Some(id) = layer.get("project_id") {
        return Ok(Target::Project(Named::Id(id.to_owned())));
    }
    if let Some(name) = layer.get("project_name") {
        return Ok(Target::Project(Named::Name {
            name: name.to_owned(),
            domain: domain(layers, ["project_domain_id", "project_domain_name"]),
        }));
    }
    match layer.get("system_scope") {
        Some("all") => Ok(Target::System),
        Some(text) => Err(format!(
            "{}: {text:?} is not \"all\", the only scope there is of the system",
            layer.name("system_scope")
        )),
        None => Ok(Target::Domain(domain(layers, ["domain_id", "domain_name"]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::collections::HashMap;

    fn environment(pairs: &[(&str, &str)]) -> Layer {
        let map: HashMap<_, _> = pairs.iter().copied().collect();
        Layer::environment(|name| map.get(name).map(|v| (*v).to_owned()))
    }

    fn cloud(pairs: &[(&str, &str)]) -> Layer {
        let mut layer = Layer::named("clouds.yaml: wan");
        for (key, value) in pairs {
            assert!(layer.put_any(key, (*value).to_owned()), "{key}");
        }
        layer
    }

    fn picked(layers: Vec<Layer>) -> Cloud {
        pick(&Layers(layers)).unwrap()
    }

    fn named(name: &str, domain: Domain) -> Named {
        let name = name.to_owned();
        Named::Name { name, domain }
    }

    #[test]
    fn an_old_rc_file_means_the_default_domain() {
        let cloud = picked(vec![environment(&[
            ("OS_USERNAME", "admin"),
            ("OS_PASSWORD", "hunter2"),
            ("OS_AUTH_URL", "http://192.168.200.10:5000/v2.0"),
            ("OS_TENANT_NAME", "admin"),
            ("OS_REGION_NAME", "RegionOne"),
        ])]);
        let Proof::Credentials(Credentials::Password {
            user,
            password,
            target,
        }) = cloud.proof
        else {
            panic!("a password");
        };
        assert_eq!(password.expose_secret(), "hunter2");
        let admin = named("admin", Domain::Id("default".to_owned()));
        assert_eq!((user, target), (admin.clone(), Target::Project(admin)));
        assert_eq!(cloud.region.as_deref(), Some("RegionOne"));
        assert_eq!(cloud.auth_url.unwrap().path(), "/v2.0");
    }

    #[test]
    fn a_named_cloud_goes_over_the_environment_as_one_piece() {
        let sourced = environment(&[
            ("OS_AUTH_URL", "http://old/v3"),
            ("OS_USERNAME", "admin"),
            ("OS_USER_DOMAIN_NAME", "Corp"),
            ("OS_PASSWORD", "hunter2"),
            ("OS_PROJECT_ID", "p1"),
            ("OS_CACERT", "/ca.pem"),
        ]);
        let named_cloud = cloud(&[
            ("auth_url", "http://new/v3"),
            ("username", "op"),
            ("user_domain_id", "d1"),
            ("project_name", "blue"),
            ("project_domain_name", "Net"),
        ]);
        let mut flags = Layer::named("--os-");
        flags.put_any("region_name", "Two".to_owned());
        let cloud = picked(vec![flags, named_cloud, sourced]);
        assert_eq!(cloud.auth_url.unwrap().as_str(), "http://new/v3");
        assert_eq!(cloud.tls.ca_file, Some("/ca.pem".into()));
        assert_eq!(cloud.region.as_deref(), Some("Two"));
        // Without a password of its own it is not given another user's.
        let Proof::WithoutPassword(Credentials::Password { user, target, .. }) = cloud.proof else {
            panic!("{:?}", cloud.proof);
        };
        assert_eq!(user, named("op", Domain::Id("d1".to_owned())));
        let blue = named("blue", Domain::Name("Net".to_owned()));
        assert_eq!(target, Target::Project(blue));
    }

    #[test]
    fn a_password_that_is_nobody_elses_completes_a_cloud() {
        let user = cloud(&[("username", "op")]);
        let password = environment(&[("OS_PASSWORD", "hunter2")]);
        let proof = picked(vec![user, password]).proof;
        assert!(matches!(proof, Proof::Credentials(_)), "{proof:?}");
    }

    #[test]
    fn the_most_important_source_with_a_proof_decides() {
        let password = &[("OS_USERNAME", "u"), ("OS_PASSWORD", "p")];
        let credential = cloud(&[
            ("application_credential_id", "a1"),
            ("application_credential_secret", "s"),
        ]);
        let Proof::Credentials(Credentials::ApplicationCredential { credential, .. }) =
            picked(vec![credential, environment(password)]).proof
        else {
            panic!("an application credential");
        };
        assert_eq!(credential, ApplicationCredential::Id("a1".to_owned()));
        let both = [&password[..], &[("OS_TOKEN_ID", "t")]].concat();
        let proof = picked(vec![environment(&both)]).proof;
        assert!(matches!(proof, Proof::Token { .. }), "{proof:?}");
        let typed = [&both[..], &[("OS_AUTH_TYPE", "password")]].concat();
        let proof = picked(vec![environment(&typed)]).proof;
        assert!(matches!(proof, Proof::Credentials(_)), "{proof:?}");
        assert!(matches!(picked(vec![environment(&[])]).proof, Proof::None));
    }

    #[test]
    fn every_scope_can_be_asked_for() {
        let of = |pairs: &[(&str, &str)]| {
            let user = [("OS_USERNAME", "u"), ("OS_PASSWORD", "p")];
            match picked(vec![environment(&[&user[..], pairs].concat())]).proof {
                Proof::Credentials(Credentials::Password { target, .. }) => target,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(&[]), Target::Usual);
        assert_eq!(of(&[("OS_SYSTEM_SCOPE", "all")]), Target::System);
        let domain = Domain::Name("Corp".to_owned());
        let corp = ("OS_DOMAIN_NAME", "Corp");
        assert_eq!(of(&[corp]), Target::Domain(domain.clone()));
        // As Gohan's client had it: with a project it is the project's domain.
        let project = Target::Project(named("blue", domain));
        assert_eq!(of(&[("OS_TENANT_NAME", "blue"), corp]), project);
    }

    #[test]
    fn a_wrong_setting_is_named_where_it_stands() {
        let why = |layers| pick(&Layers(layers)).unwrap_err();
        let of = |name, value| why(vec![environment(&[(name, value)])]);
        assert!(of("OS_AUTH_URL", "keystone").starts_with("OS_AUTH_URL is no URL"));
        assert!(of("OS_INTERFACE", "outer").starts_with("OS_INTERFACE: "));
        assert!(of("OS_AUTH_TYPE", "v3oidc").contains("v3oidc"));
        assert!(of("OS_CERT", "/c.pem").contains("OS_KEY"));
        assert!(!of("OS_AUTH_URL", "http://u:hunter2@k").contains("hunter2"));
        assert_eq!(
            why(vec![cloud(&[("interface", "outer")])]),
            "clouds.yaml: wan: interface: \"outer\" is none of public, internal, admin"
        );
    }
}
