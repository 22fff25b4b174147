//! The doubles as a server on loopback, with the names of the services in its certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Call, World};

/// Names that the doubles answer for.
pub(crate) const HOSTS: &[&str] = &[
    "localhost",
    "login.microsoftonline.com",
    "main.vault.azure.net",
    "other.vault.azure.net",
    "team.azurecr.io",
    "secretmanager.googleapis.com",
    "secretmanager.europe-west1.rep.googleapis.com",
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
    "securetoken.googleapis.com",
    "sts.eu-west-1.amazonaws.com",
];

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The CA of its certificate in PEM; empty without TLS.
    pub(crate) ca: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves with TLS.
    pub(crate) async fn secure(world: Arc<World>) -> Self {
        let (ca, config) = certificates();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(world, Some(acceptor), ca).await
    }

    /// Serves without TLS, as the machines' own metadata services do.
    pub(crate) async fn plain(world: Arc<World>) -> Self {
        Self::start(world, None, String::new()).await
    }

    async fn start(world: Arc<World>, tls: Option<TlsAcceptor>, ca: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port must be free");
        let address = listener.local_addr().expect("a listener has an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (world, tls) = (Arc::clone(&world), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            // A client that does not trust us ends the handshake.
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(stream, world, true).await;
                            }
                        }
                        None => connection(stream, world, false).await,
                    }
                });
            }
        });
        Self { address, ca, task }
    }

    /// Every host of the doubles at this server's address.
    pub(crate) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let hosts = HOSTS.iter();
        hosts
            .map(|host| ((*host).to_owned(), self.address))
            .collect()
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    world: Arc<World>,
    is_secure: bool,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let world = Arc::clone(&world);
        async move {
            let call = read(request.map(Body::new), is_secure).await;
            world.answer(call).await
        }
    });
    let server = Builder::new(TokioExecutor::new());
    let served = server.serve_connection(TokioIo::new(stream), service);
    // A connection that a test resets is no failure of the server's.
    served.await.ok();
}

async fn read(request: Request<Body>, is_secure: bool) -> Call {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 22)
        .await
        .unwrap_or_default();
    let of_header = head.headers.get("host").and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(ToString::to_string);
    Call {
        method: head.method.to_string(),
        host: host.or(of_header.map(str::to_owned)).unwrap_or_default(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        is_secure,
    }
}

fn certificates() -> (String, ServerConfig) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A leaf of the same name would pass for its own issuer.
    authority
        .distinguished_name
        .push(DnType::CommonName, "latchkey test clouds");
    let key = KeyPair::generate().expect("a key must be made");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("a CA must be made");
    let hosts: Vec<_> = HOSTS.iter().map(|host| (*host).to_owned()).collect();
    let leaf = CertificateParams::new(hosts).expect("the names must be legal");
    let key = KeyPair::generate().expect("a key must be made");
    let certificate = leaf.signed_by(&key, &authority).expect("the CA must sign");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("the certificate must fit its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (authority.pem(), config)
}
