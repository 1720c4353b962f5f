//! TLS as an operator sees it: the log, SIGHUP, and what keeps the server from
//! starting.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Running, free_port, refused};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut about = CertificateParams::default();
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(about, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of that name for localhost, and its key, both in PEM.
fn sign(authority: &Authority, name: &str) -> (String, String) {
    let mut about = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    about.distinguished_name.push(DnType::CommonName, name);
    about.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = about.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn put(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("api.pem"), certificate).unwrap();
    let path = folder.join("api.key");
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The answer to a request that changes something, from who shows this; none
/// where nobody listens yet.
fn hold(address: &str, authority: &Authority, (chain, key): &(String, String)) -> Option<String> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = match TcpStream::connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return None,
        other => other.unwrap(),
    };
    let mut stream = StreamOwned::new(session, socket);
    stream
        .write_all(
            b"PUT /sdwan/v1/holds/all HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
              Connection: close\r\n\r\n{}",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some(answer)
}

/// Polls, for a minute at most.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn certificates_change_with_sighup_and_the_log_has_whose_the_clients_was() {
    let (ours, clients) = (authority(), authority());
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &sign(&ours, "one"));
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let configuration = "tls: {enabled: true, cert_file: api.pem, key_file: api.key, \
                         client_ca_file: clients.pem}";
    std::fs::write(folder.path().join("gohan.yaml"), configuration).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = ["--config-file", "gohan.yaml", "--address", &address];
    let server = Running::start(folder.path(), &arguments);

    let me = sign(&clients, "operator\n1");
    let answer = until("it does not answer", || hold(&address, &ours, &me));
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let said = |what: &str| server.log().lines().any(|line| line.contains(what));
    until("nothing is said of the client", || {
        said("certificate=").then_some(())
    });
    assert!(said(r"CN=operator\n1"), "{}", server.log());

    let theirs = authority();
    put(folder.path(), &sign(&theirs, "two"));
    server.hang_up();
    until("nothing is read again", || {
        said("certificates read again").then_some(())
    });
    let answer = hold(&address, &theirs, &me).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");

    std::fs::write(folder.path().join("api.pem"), "no PEM").unwrap();
    server.hang_up();
    until("nothing is said of the bad file", || {
        said("the old certificates stay in use").then_some(())
    });
    assert!(said("api.pem: there is no certificate"), "{}", server.log());
    let answer = hold(&address, &theirs, &me).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[test]
fn a_certificate_that_is_not_there_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = "tls: {enabled: true, cert_file: api.pem, key_file: api.key}";
    std::fs::write(folder.path().join("gohan.yaml"), configuration).unwrap();
    let said = refused(folder.path(), &["--config-file", "gohan.yaml"]);
    assert!(said.contains("sdwan: tls: api.pem: No such file"), "{said}");
}
