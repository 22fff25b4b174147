//! Connections: HTTP/1.1 and HTTP/2, plain or over TLS.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service;
use tower::util::MapRequest;

use super::path::normalise;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 1024;
/// Longest TLS handshake, and longest wait for a request's headers.
const HEADERS: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection, for want of file descriptors as a rule.
const PAUSE: Duration = Duration::from_millis(100);

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to use the certificate {certificate} with the key {key}: {reason}")]
pub struct TlsError {
    certificate: String,
    key: String,
    reason: String,
}

/// TLS settings from PEM files.
///
/// # Errors
/// When a file cannot be read or the key is not the certificate's.
pub fn tls_config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let failed = |reason: String| TlsError {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| failed(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves `router` until `drain` resolves and all requests under way are answered.
pub(super) async fn serve(
    router: axum::Router,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    drain: impl Future<Output = ()> + Send,
) {
    let service = MapRequest::new(router, normalise::<Incoming>);
    let tls = tls.map(TlsAcceptor::from);
    let limit = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    tokio::pin!(drain);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &limit) => accepted,
            () = &mut drain => break,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "Failed to accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (tls, service, watcher) = (tls.clone(), service.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, tls, service, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(limit)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection<S>(stream: TcpStream, tls: Option<TlsAcceptor>, service: S, watcher: Watcher)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let Some(tls) = tls else {
        return answer(stream, service, watcher).await;
    };
    match timeout(HEADERS, tls.accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, service, watcher).await,
        Ok(Err(error)) => tracing::debug!(error = %error, "Failed to complete a TLS handshake"),
        Err(_) => tracing::debug!("Timed out in a TLS handshake"),
    }
}

async fn answer<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    watcher: Watcher,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new());
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = %error, "Lost a connection");
    }
}
