//! TLS against a real server: whom one believes, whom one is, and what is said
//! where that fails.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sdwan_http::Tls;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Whoever signs certificates, and where files are.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(about, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn ca_file(&self) -> PathBuf {
        self.write("ca.pem", &self.issuer.pem())
    }

    fn sign(&self, hosts: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut about = CertificateParams::new(hosts).unwrap();
        about.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        (about.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// The files of a client's certificate.
    fn identity(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign(&[]);
        (
            self.write("client.pem", &certificate.pem()),
            self.write("client.key", &key.serialize_pem()),
        )
    }

    /// A server of these names that answers every request; with `asks`, only
    /// to those whom this authority has signed.
    async fn serve(&self, hosts: &[&str], asks: bool) -> String {
        let (certificate, key) = self.sign(hosts);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let config = builder.with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    let _ = stream.read(&mut [0; 4096]).await?;
                    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                    stream.write_all(answer).await?;
                    stream.shutdown().await
                });
            }
        });
        format!("127.0.0.1:{port}")
    }
}

/// The answer's status, or what is said of its absence.
async fn ask(url: &str, tls: &Tls) -> Result<u16, String> {
    let parsed = url.parse().unwrap();
    let client = sdwan_http::client(&parsed, tls, Duration::from_secs(60)).unwrap();
    match client.get(url).send().await {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(error) => Err(sdwan_http::reason(&error)),
    }
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_name() {
    let authority = Authority::new();
    let server = authority.serve(&["127.0.0.1"], false).await;
    let trusting = Tls::trusting(Some(authority.ca_file()));
    assert_eq!(ask(&format!("https://{server}/"), &trusting).await, Ok(204));
    // The same port by a name that the certificate has not.
    let other = server.replace("127.0.0.1", "localhost");
    let said = ask(&format!("https://{other}/"), &trusting)
        .await
        .unwrap_err();
    assert!(said.contains("name it as its certificate does"), "{said}");
    let another = Authority::new();
    let stranger = Tls::trusting(Some(another.ca_file()));
    let said = ask(&format!("https://{server}/"), &stranger)
        .await
        .unwrap_err();
    assert!(said.contains("nobody who is trusted here"), "{said}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_it() {
    let authority = Authority::new();
    let server = authority.serve(&["127.0.0.1"], true).await;
    let url = format!("https://{server}/");
    let ca_file = Some(authority.ca_file());
    let nobody = Tls::trusting(ca_file.clone());
    assert!(ask(&url, &nobody).await.is_err());
    let known = Tls {
        ca_file,
        identity: Some(authority.identity()),
    };
    assert_eq!(ask(&url, &known).await, Ok(204));
}

/// A server that answers everything with these bytes.
async fn parrot(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_told_as_one() {
    let authority = Authority::new();
    let trusting = Tls::trusting(Some(authority.ca_file()));
    let plain = parrot(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let said = ask(&format!("https://{plain}/"), &trusting).await;
    let said = said.unwrap_err();
    assert!(said.contains("write http://"), "{said}");
    // A fatal alert, as TLS answers plain HTTP.
    let tls = parrot(&[0x15, 3, 3, 0, 2, 2, 0x46]).await;
    let said = ask(&format!("http://{tls}/"), &trusting).await.unwrap_err();
    assert!(said.contains("write https://"), "{said}");
}
