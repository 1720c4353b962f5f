//! TLS with real etcds, which ask their clients for certificates too.

use crate::daemon::{Daemon, Door, NEWER, OLDEST};
use crate::{keys, next, put};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use sdwan_store::etcd::{Etcd, Identity, Options, Timeouts, Tls};
use sdwan_store::{Error, Revision, Store};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Whoever signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(about, key).unwrap())
    }

    /// A certificate of this name; a server's also for these hosts.
    fn sign(&self, name: &str, hosts: &[&str]) -> Identity {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut about = CertificateParams::new(hosts).unwrap();
        about.distinguished_name.push(DnType::CommonName, name);
        about.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = about.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem().into(),
        }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

/// An etcd that takes only whom `authority` has signed, the way in for its
/// user `root`, and the files of both.
async fn guarded(release: &str, authority: &Authority) -> (Daemon, Tls, TempDir) {
    use secrecy::ExposeSecret as _;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path_text(&path)
    };
    let ca = write("ca.pem", &authority.pem());
    let member = authority.sign("etcd", &["127.0.0.1"]);
    let root = authority.sign("root", &[]);
    let pair = |name: &str, identity: &Identity| {
        let certificate = write(&format!("{name}.pem"), &identity.certificate);
        let key = write(&format!("{name}.key"), identity.key.expose_secret());
        (certificate, key)
    };
    let (certificate, key) = pair("etcd", &member);
    let etcd = [
        ["--cert-file", &certificate],
        ["--key-file", &key],
        ["--trusted-ca-file", &ca],
        ["--client-cert-auth", "true"],
    ];
    let etcd = etcd.map(|[name, value]| format!("{name}={value}")).into();
    let (certificate, key) = pair("root", &root);
    let etcdctl = [["--cacert", &ca], ["--cert", &certificate], ["--key", &key]];
    let tls = Tls {
        ca: authority.pem(),
        identity: Some(root),
    };
    let door = Door {
        tls: tls.clone(),
        etcd,
        etcdctl: etcdctl.concat().into_iter().map(str::to_owned).collect(),
    };
    (Daemon::behind(release, &door).await, tls, folder)
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

async fn refusal(endpoint: &str, tls: Option<Tls>) -> String {
    let options = Options {
        tls,
        timeouts: Timeouts {
            call: Duration::from_millis(500),
            ..Timeouts::default()
        },
        ..Options::at(vec![endpoint.to_owned()])
    };
    match Etcd::open(options).await {
        Err(Error::Unavailable(why) | Error::Open(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn with_the_right_certificates_it_is_a_store_like_any_other() {
    for release in [OLDEST, NEWER] {
        let authority = Authority::new("ours");
        let (daemon, _, _folder) = guarded(release, &authority).await;
        let store = daemon.store().await;
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        let revision = put(&store, "/k").await;
        assert_eq!(next(&mut watch).await.unwrap().unwrap().revision, revision);
        assert_eq!(keys(&store, "").await, ["/k"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_certificates_is_said() {
    for release in [OLDEST, NEWER] {
        let (ours, foreign) = (Authority::new("ours"), Authority::new("theirs"));
        let (daemon, tls, _folder) = guarded(release, &ours).await;
        let with = |ca: &Authority, identity: Option<Identity>| {
            Some(Tls {
                ca: ca.pem(),
                identity,
            })
        };
        let there = daemon.address.as_str();
        let port = there.rsplit_once(':').unwrap().1;
        let by_name = format!("https://localhost:{port}");
        let without_tls = format!("http://127.0.0.1:{port}");
        let stranger = || Some(foreign.sign("root", &[]));
        for (endpoint, tls, word) in [
            (there, with(&ours, None), "a client's certificate"),
            (there, with(&ours, stranger()), "client's certificate"),
            (there, with(&foreign, None), "nobody who is trusted"),
            (&by_name, Some(tls.clone()), "localhost"),
            (&by_name, Some(tls.clone()), "as its certificate does"),
            (&without_tls, None, "https://"),
        ] {
            let told = refusal(endpoint, tls).await;
            assert!(told.contains(word), "{release}, {word}: {told}");
            assert!(told.contains(endpoint), "{release}, {word}: {told}");
        }
        // And nobody of them has got in.
        assert_eq!(keys(&daemon.store().await, "").await, [""; 0]);
    }
}

/// Has it take the clients of these authorities, and nobody else's.
async fn take(daemon: &mut Daemon, folder: &TempDir, authorities: &[&Authority], client: &Tls) {
    let pem: String = authorities.iter().map(|a| a.pem()).collect();
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    daemon.kill();
    daemon.door.as_mut().unwrap().tls = client.clone();
    daemon.restart().await;
}

#[tokio::test]
async fn other_certificates_are_shown_from_then_on_and_nothing_ends() {
    for release in [OLDEST, NEWER] {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let (mut daemon, first, folder) = guarded(release, &ours).await;
        take(&mut daemon, &folder, &[&ours, &theirs], &first).await;
        let (store, left_alone) = (daemon.store().await, daemon.store().await);
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        let mut told = async |key: &str| {
            let revision = put(&store, key).await;
            let batch = next(&mut watch).await.unwrap().unwrap();
            assert_eq!(batch.revision, revision, "{release}");
        };
        told("/a").await;
        let signed = |by: &Authority| Tls {
            ca: ours.pem(),
            identity: Some(by.sign("root", &[])),
        };
        // None that etcd does not take, and none that are none.
        let strange = signed(&Authority::new("strange"));
        let refused = store.renew(strange).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        let none = Tls {
            ca: "no PEM".to_owned(),
            identity: None,
        };
        let refused = store.renew(none).await;
        assert!(matches!(refused, Err(Error::Open(_))), "{refused:?}");
        told("/b").await;

        let second = signed(&theirs);
        store.renew(second.clone()).await.unwrap();
        told("/c").await;
        take(&mut daemon, &folder, &[&theirs], &second).await;
        told("/d").await;
        // By the first certificate nobody gets in any more.
        let refused = left_alone.list("/").await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn tls_with_an_etcd_that_speaks_none_says_so() {
    let daemon = Daemon::start(OLDEST).await;
    let tls = Tls {
        ca: Authority::new("ours").pem(),
        identity: None,
    };
    let endpoint = format!("https://{}", daemon.address);
    let told = refusal(&endpoint, Some(tls)).await;
    assert!(told.contains("write http://"), "{told}");
}

#[tokio::test]
async fn certificates_that_are_none_are_named_without_the_key() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.sign("one", &[]), authority.sign("other", &[]));
    let identity = |certificate: &str, key: &str| Identity {
        certificate: certificate.to_owned(),
        key: key.to_owned().into(),
    };
    use secrecy::ExposeSecret as _;
    let hush = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n";
    let mixed = Identity {
        certificate: one.certificate.clone(),
        key: other.key,
    };
    let key = one.key.expose_secret();
    for (ca, identity, word) in [
        ("", None, "authority's certificate"),
        (key, None, "authority's certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            None,
            "authority's certificate",
        ),
        (
            &authority.pem(),
            Some(identity("", key)),
            "certificate to show",
        ),
        (
            &authority.pem(),
            Some(identity(&one.certificate, hush)),
            "private key",
        ),
        (&authority.pem(), Some(mixed), "KeyMismatch"),
    ] {
        let tls = Tls {
            ca: ca.to_owned(),
            identity,
        };
        assert!(!format!("{tls:?}").contains("hush"));
        let told = refusal("https://127.0.0.1:1", Some(tls)).await;
        assert!(told.contains(word), "{word}: {told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[tokio::test]
async fn a_certificates_common_name_is_a_user_of_etcds() {
    for release in [OLDEST, NEWER] {
        let authority = Authority::new("ours");
        let (daemon, tls, _folder) = guarded(release, &authority).await;
        for arguments in [
            &["user", "add", "root:sesame"][..],
            &["user", "grant-role", "root", "root"],
            &["auth", "enable"],
        ] {
            daemon.etcdctl(arguments);
        }
        let store = daemon.store().await;
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        let revision = put(&store, "/k").await;
        assert_eq!(next(&mut watch).await.unwrap().unwrap().revision, revision);
        let options = Options {
            tls: Some(Tls {
                identity: Some(authority.sign("nobody", &[])),
                ..tls
            }),
            ..daemon.options()
        };
        let refused = match Etcd::open(options).await {
            Ok(store) => store.list("/").await.err(),
            Err(error) => Some(error),
        };
        let Some(Error::Unavailable(why)) = refused else {
            panic!("{release}: {refused:?}");
        };
        assert!(
            why.contains("nobody") || why.contains("permission"),
            "{why}"
        );
    }
}
