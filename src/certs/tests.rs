use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use pki::Authority;

const NAMES: [&str; 2] = ["hook.system.svc", "127.0.0.1"];

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).into()
}

async fn server(served: Arc<Served>) -> std::net::SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(served);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(acceptor.accept(stream));
        }
    });
    address
}

fn client(bundle: &str, sni: bool) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_sni = sni;
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// A handshake; answers the certificate the server showed.
async fn shake(
    address: std::net::SocketAddr,
    connector: &TlsConnector,
) -> std::io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(NAMES[0]).unwrap();
    let stream = connector.connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    Ok(shown[0].clone().into_owned())
}

#[tokio::test]
async fn case_59_a_leaf_is_renewed_under_load_without_a_failed_handshake() {
    let now = Timestamp::now();
    let authority = Authority::new(now).unwrap();
    let leaf = authority.issue(&names(), None, now).unwrap();
    let served = Arc::new(Served::new(leaf.key));
    let address = server(Arc::clone(&served)).await;
    let (is_over, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = (0..4).map(|_| {
        let (connector, is_over, count) = (
            client(&authority.pem, true),
            Arc::clone(&is_over),
            Arc::clone(&count),
        );
        tokio::spawn(async move {
            let mut seen = std::collections::HashSet::new();
            while !is_over.load(Ordering::Relaxed) {
                seen.insert(shake(address, &connector).await.unwrap().to_vec());
                count.fetch_add(1, Ordering::Relaxed);
            }
            seen.len()
        })
    });
    let load: Vec<_> = load.collect();
    for renewal in 1..=10 {
        let leaf = authority.issue(&names(), None, now).unwrap();
        served.swap(leaf.key);
        while count.load(Ordering::Relaxed) < renewal * 20 {
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for task in load {
        assert!(task.await.unwrap() > 2, "the load met no renewal");
    }
}

#[tokio::test]
async fn case_63_a_client_without_sni_gets_the_current_leaf() {
    let now = Timestamp::now();
    let authority = Authority::new(now).unwrap();
    let first = authority.issue(&names(), None, now).unwrap();
    let served = Arc::new(Served::new(Arc::clone(&first.key)));
    let address = server(Arc::clone(&served)).await;
    let connector = client(&authority.pem, false);
    assert_eq!(shake(address, &connector).await.unwrap(), first.key.cert[0]);
    let second = authority.issue(&names(), None, now).unwrap();
    served.swap(Arc::clone(&second.key));
    assert_eq!(
        shake(address, &connector).await.unwrap(),
        second.key.cert[0]
    );
}
