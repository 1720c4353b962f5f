//! TLS with real daemons, which from 3.13 ask their clients for certificates
//! too.

use crate::daemon::{Daemon, Door, Release};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use sdwan_gobgp::{Client, Error, Identity, Options, Timeouts, Tls};
use secrecy::ExposeSecret as _;
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

    /// A certificate for these hosts.
    fn sign(&self, hosts: &[&str]) -> Identity {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut about = CertificateParams::new(hosts).unwrap();
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

    fn tls(&self, identity: Option<Identity>) -> Tls {
        Tls {
            ca: self.0.pem(),
            identity,
            server_name: None,
        }
    }
}

/// A door that shows a certificate for these hosts and, where `asks`, opens
/// only to whom `authority` has signed; and the folder of its files.
fn door(authority: &Authority, hosts: &[&str], asks: bool, options: Options) -> (Door, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let own = authority.sign(hosts);
    let mut flags = vec![
        "--tls".to_owned(),
        format!("--tls-cert-file={}", write("cert.pem", &own.certificate)),
        format!(
            "--tls-key-file={}",
            write("key.pem", own.key.expose_secret())
        ),
    ];
    if asks {
        let ca = write("ca.pem", &authority.0.pem());
        flags.push(format!("--tls-client-ca-file={ca}"));
    }
    (Door { flags, options }, folder)
}

fn with(tls: Tls) -> Options {
    let timeouts = Timeouts {
        call: Duration::from_secs(20),
        ..Timeouts::default()
    };
    Options {
        timeouts,
        tls: Some(tls),
    }
}

async fn refusal(address: &str, options: Options) -> String {
    match Client::connect(address, options).await {
        Err(Error::Unreachable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_version_speaks_tls() {
    for release in Release::ALL {
        let ours = Authority::new("ours");
        let (door, _folder) = door(&ours, &["127.0.0.1"], false, with(ours.tls(None)));
        let mut daemon = Daemon::behind(release, &door).await;
        let client = daemon.client().await;
        assert_eq!(client.get_bgp().await.unwrap().asn, 0);
        // A connection is made again as it was made first.
        daemon.kill();
        assert!(client.get_bgp().await.is_err());
        daemon.restart().await;
        let asn = crate::session::eventually(|| async { Some(client.get_bgp().await.ok()?.asn) });
        assert_eq!(asn.await, 0);
    }
}

#[tokio::test]
async fn a_certificate_has_the_name_that_the_address_has() {
    for release in Release::ALL {
        let ours = Authority::new("ours");
        let named = Tls {
            server_name: Some("gobgp.example".to_owned()),
            ..ours.tls(None)
        };
        let (door, _folder) = door(&ours, &["gobgp.example"], false, with(named.clone()));
        let daemon = Daemon::behind(release, &door).await;
        let told = refusal(&daemon.address, with(ours.tls(None))).await;
        assert!(
            told.contains("127.0.0.1") && told.contains("as its certificate does"),
            "{told}"
        );
        let other = Tls {
            server_name: Some("frr.example".to_owned()),
            ..named
        };
        let told = refusal(&daemon.address, with(other)).await;
        assert!(told.contains("frr.example"), "{told}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_certificates_is_said() {
    for release in [Release::V3_36, Release::V4_8] {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let me = || Some(ours.sign(&[]));
        let (door, _folder) = door(&ours, &["127.0.0.1"], true, with(ours.tls(me())));
        let daemon = Daemon::behind(release, &door).await;
        let by_name = daemon.address.replace("127.0.0.1", "localhost");
        let there = daemon.address.as_str();
        let stranger = Some(theirs.sign(&[]));
        for (address, options, word) in [
            (there, with(ours.tls(None)), "client's certificate"),
            (there, with(ours.tls(stranger)), "client's certificate"),
            (there, with(theirs.tls(me())), "nobody who is trusted"),
            (&*by_name, with(ours.tls(me())), "as its certificate does"),
            (there, Timeouts::default().into(), "TLS"),
        ] {
            let told = refusal(address, options).await;
            assert!(told.contains(word), "{release:?}, {word}: {told}");
        }
        assert_eq!(daemon.client().await.get_bgp().await.unwrap().asn, 0);
    }
}

#[tokio::test]
async fn a_daemon_without_tls_says_so() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let told = refusal(&daemon.address, with(Authority::new("ours").tls(None))).await;
        assert!(told.contains("no TLS"), "{release:?}: {told}");
    }
}

#[test]
fn certificates_that_are_none_are_named_without_the_key() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.sign(&[]), ours.sign(&[]));
    let hush = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n";
    let pair = |certificate: &str, key: &str| Identity {
        certificate: certificate.to_owned(),
        key: key.to_owned().into(),
    };
    let key = one.key.expose_secret();
    let named = |name: &str| Tls {
        server_name: Some(name.to_owned()),
        ..ours.tls(None)
    };
    let without = Tls {
        ca: String::new(),
        ..ours.tls(None)
    };
    for (tls, word) in [
        (without, "authority's certificate"),
        (ours.tls(Some(pair("", key))), "certificate to show"),
        (ours.tls(Some(pair(&one.certificate, hush))), "private key"),
        (
            ours.tls(Some(pair(&one.certificate, other.key.expose_secret()))),
            "KeyMismatch",
        ),
        (named("a b"), "no name"),
    ] {
        let told = tls.check().expect_err(word).to_string();
        assert!(told.contains(word) && !told.contains("hush"), "{told}");
    }
    ours.tls(Some(one)).check().unwrap();
    named("192.0.2.1").check().unwrap();
}
