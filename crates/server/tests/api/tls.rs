//! TLS of the API: what is shown, what is asked for, and the exchange of both
//! while connections stand.

use crate::socket::{anywhere, deps, talk};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use sdwan_server::config::{Config, Tls};
use sdwan_server::server::Server;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whoever signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(about, key).expect("a certificate"))
    }

    fn sign(&self, name: &str) -> Pair {
        self.sign_until(name, 2100)
    }

    /// Valid until the beginning of that year.
    fn sign_until(&self, name: &str, year: i32) -> Pair {
        let mut about = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        about.distinguished_name.push(DnType::CommonName, name);
        about.not_before = date_time_ymd(1975, 1, 1);
        about.not_after = date_time_ymd(year, 1, 1);
        about.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = about.signed_by(&key, &self.0).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A server's files.
struct Files {
    folder: TempDir,
    tls: Tls,
}

impl Files {
    fn new(pair: &Pair, clients: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let tls = Tls {
            cert_file: path("cert.pem"),
            key_file: path("key.pem"),
            client_ca_file: clients.map(|_| path("clients.pem")),
        };
        let files = Self { folder, tls };
        files.put(pair);
        if let Some(authority) = clients {
            files.write("clients.pem", &authority.0.pem());
        }
        files
    }

    fn put(&self, pair: &Pair) {
        self.write("cert.pem", &pair.certificate);
        let key = self.write("key.pem", &pair.key);
        let mine = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(key, mine).expect("a mode");
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    async fn start(&self) -> Result<Server, String> {
        let config = Config {
            tls: Some(self.tls.clone()),
            ..anywhere()
        };
        let server = Server::start(&config, deps()).await;
        server.map_err(|error| error.to_string())
    }
}

/// A client that believes this authority.
struct Client {
    roots: RootCertStore,
    identity: Option<Pair>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Client {
    fn of(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.0.pem().as_bytes());
        roots.add(certificate.expect("PEM")).expect("a root");
        Self {
            roots,
            identity: None,
            versions: rustls::ALL_VERSIONS,
        }
    }

    fn showing(self, pair: Pair) -> Self {
        Self {
            identity: Some(pair),
            ..self
        }
    }

    async fn connect(&self, server: &Server) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(Pair { certificate, key }) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                config.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(server.address()).await?;
        let name = "localhost".try_into().expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// The answer's head and body; the connection stays.
    async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer += std::str::from_utf8(&buffer[..read]).expect("UTF-8");
            let Some((head, body)) = answer.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "));
            if Some(body.len()) == length.and_then(|l| l.parse().ok()) {
                return Ok(answer);
            }
        }
    }

    /// The common name of who answers at `/healthz`, or why nobody does.
    async fn meets(&self, server: &Server) -> Result<String, String> {
        let meet = async {
            let mut stream = self.connect(server).await?;
            let answer = Self::get(&mut stream, "/healthz").await?;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            Ok(shown(&stream))
        };
        meet.await
            .map_err(|error: std::io::Error| error.to_string())
    }
}

/// The common name of the server's certificate.
fn shown(stream: &TlsStream<TcpStream>) -> String {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, session) = stream.get_ref();
    let certificate = &session.peer_certificates().expect("certificates")[0];
    let (_, parsed) = X509Certificate::from_der(certificate).expect("a certificate");
    let name = parsed.subject().iter_common_name().next().expect("a name");
    name.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn both_versions_of_tls_speak_http_1_1() {
    let ours = Authority::new("ours");
    let server = Files::new(&ours.sign("one"), None).start().await;
    let server = server.expect("it starts");
    for version in rustls::ALL_VERSIONS {
        let client = Client {
            versions: std::slice::from_ref(version),
            ..Client::of(&ours)
        };
        let mut stream = client.connect(&server).await.expect("TLS");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            let answer = Client::get(&mut stream, "/v2.0/routers").await;
            assert!(answer.expect("an answer").starts_with("HTTP/1.1 200"));
        }
    }
    let strangers = Client::of(&Authority::new("theirs"));
    let told = strangers.meets(&server).await.expect_err("not trusted");
    assert!(told.contains("UnknownIssuer"), "{told}");
    server.stop().await;
}

#[tokio::test]
async fn who_speaks_no_tls_gets_no_answer() {
    let ours = Authority::new("ours");
    let server = Files::new(&ours.sign("one"), None).start().await;
    let server = server.expect("it starts");
    let plain = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = TcpStream::connect(server.address()).await.expect("there");
    stream.write_all(plain).await.expect("written");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    // An alert, but nothing of HTTP.
    assert!(!answer.windows(4).any(|four| four == b"HTTP"), "{answer:?}");
    assert_eq!(Client::of(&ours).meets(&server).await.as_deref(), Ok("one"));
    server.stop().await;
}

// The clock moves on whenever everybody waits: no second passes here.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let ours = Authority::new("ours");
    let server = Files::new(&ours.sign("one"), None).start().await;
    let server = server.expect("it starts");
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.address()).await.expect("there"));
    }
    assert_eq!(Client::of(&ours).meets(&server).await.as_deref(), Ok("one"));
    for stream in &mut silent {
        let read = stream.read(&mut [0; 16]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "closed");
    }
    // Nor one that stops in its midst.
    talk(&server, b"\x16\x03\x01\x02\x00\x01").await;
    server.stop().await;
}

#[tokio::test]
async fn only_clients_with_a_certificate_get_in_where_they_are_asked_for_one() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = Files::new(&ours.sign("one"), Some(&ours)).start().await;
    let server = server.expect("it starts");
    for version in rustls::ALL_VERSIONS {
        let client = || Client {
            versions: std::slice::from_ref(version),
            ..Client::of(&ours)
        };
        let with = |pair| client().showing(pair);
        assert!(client().meets(&server).await.is_err(), "none");
        assert!(with(theirs.sign("me")).meets(&server).await.is_err());
        assert!(
            with(ours.sign_until("me", 1999))
                .meets(&server)
                .await
                .is_err()
        );
        let met = with(ours.sign("me")).meets(&server).await;
        assert_eq!(met.as_deref(), Ok("one"), "{version:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn new_files_are_taken_with_no_connection_dropped_and_bad_ones_never() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new(&ours.sign("one"), Some(&clients));
    let server = files.start().await.expect("it starts");
    let client = Client::of(&ours).showing(clients.sign("me"));
    let mut stands = client.connect(&server).await.expect("TLS");
    Client::get(&mut stands, "/healthz")
        .await
        .expect("an answer");
    let mut watch = client.connect(&server).await.expect("TLS");
    let head = b"GET /v2.0/routers?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
    watch.write_all(head).await.expect("written");
    let mut first = [0; 15];
    watch.read_exact(&mut first).await.expect("a watch");

    files.put(&ours.sign("two"));
    assert_eq!(client.meets(&server).await.as_deref(), Ok("one"));
    assert!(server.reload().expect("they are good"));
    assert_eq!(client.meets(&server).await.as_deref(), Ok("two"));

    // What is no good: each of the files in turn, and two that don't match.
    let (good, other) = (ours.sign("three"), ours.sign("four"));
    let mixed = Pair {
        certificate: good.certificate.clone(),
        key: other.key,
    };
    files.put(&mixed);
    server.reload().expect_err("they are bad");
    files.put(&good);
    for name in ["cert.pem", "key.pem", "clients.pem"] {
        let path = files.folder.path().join(name);
        let kept = std::fs::read_to_string(&path).expect("there");
        for bad in [
            "",
            "no PEM",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, bad).expect("written");
            server.reload().expect_err("they are bad");
            assert_eq!(client.meets(&server).await.as_deref(), Ok("two"), "{name}");
        }
        std::fs::remove_file(&path).expect("removed");
        server.reload().expect_err("they are bad");
        assert_eq!(client.meets(&server).await.as_deref(), Ok("two"), "{name}");
        std::fs::write(&path, kept).expect("written");
    }
    files.put(&good);
    assert!(server.reload().expect("they are good"));
    assert_eq!(client.meets(&server).await.as_deref(), Ok("three"));

    // Another authority for clients: who had one of the old one is out.
    let others = Authority::new("others");
    files.write("clients.pem", &others.0.pem());
    assert!(server.reload().expect("they are good"));
    assert!(client.meets(&server).await.is_err());
    let next = Client::of(&ours).showing(others.sign("me"));
    assert_eq!(next.meets(&server).await.as_deref(), Ok("three"));

    // All this time:
    let answer = Client::get(&mut stands, "/healthz").await;
    answer.expect("the old connection stands");
    assert_eq!(shown(&stands), "one");
    let mut more = [0; 16];
    watch
        .read_exact(&mut more)
        .await
        .expect("so does the watch");
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_and_nothing_of_the_key() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.sign("one"), ours.sign("other"));
    let files = Files::new(&one, Some(&ours));
    let path = |name: &str| files.folder.path().join(name);
    let refused = async || files.start().await.err().expect("refused");

    let everybody = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path("key.pem"), everybody).expect("a mode");
    let told = refused().await;
    assert!(
        told.contains("key.pem") && told.contains("chmod 600"),
        "{told}"
    );

    files.put(&Pair {
        certificate: one.certificate.clone(),
        key: other.key.clone(),
    });
    let told = refused().await;
    assert!(
        told.contains("key.pem is not the key of the certificate in"),
        "{told}"
    );

    let hush = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n";
    files.put(&Pair {
        certificate: one.certificate.clone(),
        key: hush.to_owned(),
    });
    let told = refused().await;
    assert!(
        told.contains("no private key in PEM") && !told.contains("hush"),
        "{told}"
    );

    files.put(&one);
    for (name, text, word) in [
        ("cert.pem", &*one.key, "no certificate in PEM"),
        ("cert.pem", "", "no certificate in PEM"),
        ("clients.pem", "", "no certificate in PEM"),
    ] {
        let kept = std::fs::read_to_string(path(name)).expect("there");
        std::fs::write(path(name), text).expect("written");
        let told = refused().await;
        assert!(told.contains(name) && told.contains(word), "{told}");
        std::fs::write(path(name), kept).expect("written");
    }
    std::fs::remove_file(path("cert.pem")).expect("removed");
    let told = refused().await;
    assert!(told.contains("cert.pem: No such file"), "{told}");
}

#[tokio::test]
async fn when_the_certificate_ends_is_a_number_also_when_it_has_ended() {
    let ours = Authority::new("ours");
    for (year, seconds) in [(2100, 4_102_444_800_i64), (1980, 315_532_800)] {
        let files = Files::new(&ours.sign_until("one", year), None);
        let server = files.start().await.expect("it starts");
        // A client that would not look at the date is none of ours; the number
        // is the same for one that may look.
        if year == 2100 {
            let mut stream = Client::of(&ours).connect(&server).await.expect("TLS");
            let metrics = Client::get(&mut stream, "/metrics").await.expect("metrics");
            let line = format!("\nsdwan_tls_certificate_expires_timestamp_seconds {seconds}\n");
            assert!(metrics.contains(&line), "{metrics}");
        } else {
            let told = Client::of(&ours).meets(&server).await.expect_err("expired");
            assert!(told.contains("certificate expired"), "{told}");
        }
        server.stop().await;
    }
}
