//! Which of a Keystone's versions to speak, and where it is. The URLs that
//! people have are old (`/v2.0`), versioned (`/v3`) or bare.

use reqwest::Url;
use serde_json::Value;

/// What a URL tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The base of v3: nothing is to be asked.
    V3(Url),
    /// The versions are listed there.
    Ask {
        /// Where.
        url: Url,
        /// The version that the URL named, where it is an old one.
        old: Option<&'static str>,
    },
}

/// # Errors
/// Where no Keystone can be there.
pub(crate) fn known(auth_url: &Url) -> Result<Known, ()> {
    if !matches!(auth_url.scheme(), "http" | "https") || auth_url.host_str().is_none() {
        return Err(());
    }
    let mut url = auth_url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // What is for login goes in the body; here it would get into logs.
    let no_password = url.set_username("").and_then(|()| url.set_password(None));
    no_password?;
    let path = url.path().trim_end_matches('/').to_owned();
    let (front, last) = path.rsplit_once('/').unwrap_or(("", ""));
    Ok(match last {
        "v3" => {
            url.set_path(&path);
            Known::V3(url)
        }
        "v2.0" | "v2" => {
            url.set_path(&format!("{front}/"));
            let old = Some("v2.0");
            Known::Ask { url, old }
        }
        _ => {
            url.set_path(&format!("{path}/"));
            Known::Ask { url, old: None }
        }
    })
}

/// The base of v3 as the list of versions that is at `asked` names it.
///
/// Only its path is taken from there. Host and scheme are those that the
/// operator wrote: a Keystone behind a proxy often names itself wrongly, and
/// whoever can forge this answer must not be told passwords.
///
/// # Errors
/// In plain words.
pub fn v3(asked: &Url, body: &[u8]) -> Result<Url, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| "its answer is no JSON".to_owned())?;
    let several = body["versions"]["values"].as_array();
    let versions: Vec<&Value> = match several.or(body["versions"].as_array()) {
        Some(versions) => versions.iter().collect(),
        None if body["version"].is_object() => vec![&body["version"]],
        None => return Err("its answer lists no versions".to_owned()),
    };
    let ids = || versions.iter().filter_map(|version| version["id"].as_str());
    let found = versions.iter().find(|version| {
        let id = version["id"].as_str();
        id.is_some_and(|id| id == "v3" || id.starts_with("v3."))
    });
    let Some(found) = found else {
        let ids: Vec<_> = ids().map(|id| format!("{id:?}")).collect();
        return Err(format!("of versions it has only {}", ids.join(", ")));
    };
    let links = found["links"].as_array().into_iter().flatten();
    let own = links
        .filter(|link| link["rel"] == "self")
        .find_map(|link| asked.join(link["href"].as_str()?).ok());
    let mut url = asked.clone();
    match own {
        Some(own) => url.set_path(own.path().trim_end_matches('/')),
        None => url.set_path(&format!("{}v3", asked.path())),
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn ask(text: &str, old: Option<&'static str>) -> Result<Known, ()> {
        let url = url(text);
        Ok(Known::Ask { url, old })
    }

    #[test]
    fn every_url_that_people_have_leads_to_v3() {
        let of = |text: &str| known(&url(text));
        let v3 = |text: &str| Ok(Known::V3(url(text)));
        assert_eq!(of("http://k:5000/v3"), v3("http://k:5000/v3"));
        assert_eq!(of("http://k:5000/v3/"), v3("http://k:5000/v3"));
        assert_eq!(of("https://k/identity/v3"), v3("https://k/identity/v3"));
        let old = Some("v2.0");
        assert_eq!(of("http://k:5000/v2.0"), ask("http://k:5000/", old));
        assert_eq!(of("http://k:5000/v2.0/"), ask("http://k:5000/", old));
        assert_eq!(of("http://k/identity/v2.0"), ask("http://k/identity/", old));
        assert_eq!(of("http://k:5000"), ask("http://k:5000/", None));
        assert_eq!(of("http://k/identity"), ask("http://k/identity/", None));
        assert_eq!(of("http://u:secret@k/v3?x#y"), v3("http://k/v3"));
        for wrong in ["mailto:x", "ftp://k/v3", "data:,x"] {
            assert_eq!(of(wrong), Err(()), "{wrong}");
        }
    }

    /// As Keystone 30 answers at `/`.
    fn versions(href: &str) -> Vec<u8> {
        json!({"versions": {"values": [{"id": "v3.14", "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": href}],
            "media-types": [{"base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json"}]}]}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_listed_version_lends_its_path_alone() {
        let root = url("https://k:5000/");
        let found = |href: &str| v3(&root, &versions(href)).unwrap();
        assert_eq!(found("https://k:5000/v3/"), url("https://k:5000/v3"));
        assert_eq!(found("http://10.0.0.1/v3/"), url("https://k:5000/v3"));
        assert_eq!(found("/identity/v3"), url("https://k:5000/identity/v3"));
        let bare = br#"{"version": {"id": "v3.8"}}"#;
        assert_eq!(v3(&root, bare), Ok(url("https://k:5000/v3")));
    }

    #[test]
    fn what_lists_no_v3_says_what_it_is() {
        let root = url("http://k/");
        let why = |body: &str| v3(&root, body.as_bytes()).unwrap_err();
        assert_eq!(why("<html>"), "its answer is no JSON");
        assert_eq!(why("{}"), "its answer lists no versions");
        let old = r#"{"versions": {"values": [{"id": "v2.0"}, {"id": "v30"}]}}"#;
        assert_eq!(why(old), r#"of versions it has only "v2.0", "v30""#);
    }

    proptest! {
        #[test]
        fn whatever_is_listed_the_host_stays(href in ".*", id in "v3(\\.[0-9]+)?") {
            let root = url("https://k:5000/identity/");
            let body = json!({"versions": [{"id": id, "links": [{"rel": "self", "href": href}]}]});
            let found = v3(&root, body.to_string().as_bytes());
            let found = found.expect("v3 is listed");
            prop_assert_eq!(found.origin(), root.origin());
        }

        #[test]
        fn noise_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = v3(&url("http://k/"), &body);
        }
    }
}
