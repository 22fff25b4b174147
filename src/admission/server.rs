//! HTTPS for the API server: limits, deadlines, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::model::duration;
use crate::model::pod_injection::memory::SECRETS_PATH;

use super::{Path, Webhook, panic_caught, pod_secrets, review};

/// Largest body: two objects of the largest size etcd takes, and the rest of a review.
const BODY_LIMIT: usize = 8 << 20;
/// What the API server waits if it does not say (`admissionregistration.k8s.io/v1`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest it may be told to wait.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take for its handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take until the head of its next request is there. Longer than the API server
/// keeps an idle connection (90 s), so that it is not closed under a request.
const IDLE_LIMIT: Duration = Duration::from_mins(2);
/// Seconds after which a review that was shed may come again. API servers heed it and ask again within
/// the webhook's timeout, so that a short burst fails nothing.
const RETRY_AFTER: &str = "1";
/// How long an accept loop pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How reviews are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen, for example `0.0.0.0:10250`.
    pub address: String,
    /// How long a drain goes on serving, closing each connection after its answer, so that API servers
    /// that still hold a connection move on.
    pub drain_delay: Duration,
    /// How long requests under way may take after that.
    pub drain_timeout: Duration,
    /// Reviews under way at once, and as many questions of agents; more are answered 503 before their
    /// bodies are read.
    pub max_in_flight: usize,
    /// Which clients may connect, and how.
    pub tls: Tls,
}

/// Which clients may connect, and how.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Refuses TLS 1.2, which is there for API servers of restricted builds.
    pub only_tls13: bool,
    /// CAs in PEM, one of which must have issued the client's certificate; without them everybody may
    /// connect, for an API server shows no certificate unless it is configured to.
    pub client_ca: Option<Vec<u8>>,
}

/// Why reviews cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("failed to listen on {address} for the webhook: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The CAs of clients cannot be used.
    #[error("failed to read the CAs of clients: {0}; the file must hold certificates in PEM")]
    ClientCa(String),
}

/// A socket that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

#[derive(Clone)]
struct App {
    webhook: Webhook,
    is_draining: Arc<AtomicBool>,
    slots: Arc<Semaphore>,
    /// Apart, so that agents never keep a review waiting.
    agent_slots: Arc<Semaphore>,
}

impl Bound {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn new(options: Options) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: options.address.clone(),
            source,
        };
        let listener = TcpListener::bind(&options.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            options,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `drain` resolves and the drain is over. `certificates` is asked at each handshake.
    ///
    /// # Errors
    /// When the CAs of clients cannot be used.
    pub async fn serve(
        self,
        webhook: Webhook,
        certificates: Arc<dyn ResolvesServerCert>,
        drain: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let app = App {
            webhook,
            is_draining: Arc::default(),
            slots: Arc::new(Semaphore::new(self.options.max_in_flight)),
            agent_slots: Arc::new(Semaphore::new(self.options.max_in_flight)),
        };
        let acceptor = TlsAcceptor::from(Arc::new(tls(certificates, &self.options.tls)?));
        let connections = GracefulShutdown::new();
        let routes = routes(app.clone());
        let accepting = accept(&self.listener, &acceptor, &routes, &connections);
        let until = async {
            drain.await;
            app.is_draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(self.options.drain_delay).await;
        };
        tokio::select! {
            () = accepting => {}
            () = until => {}
        }
        drop(self.listener);
        let limit = self.options.drain_timeout;
        if tokio::time::timeout(limit, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("Gave up requests that did not end in time");
        }
        Ok(())
    }
}

/// One configuration for the process, so that sessions can be resumed.
fn tls(certificates: Arc<dyn ResolvesServerCert>, options: &Tls) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = if options.only_tls13 {
        vec![&rustls::version::TLS13]
    } else {
        vec![&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .expect("the provider must have a cipher suite for each version");
    let builder = match &options.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let failed = |reason: String| Error::ClientCa(reason);
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| failed(error.to_string()))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| failed(error.to_string()))?)
        }
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn accept(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    routes: &Router,
    connections: &GracefulShutdown,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (acceptor, routes) = (acceptor.clone(), routes.clone());
                tokio::spawn(connection(stream, acceptor, routes, connections.watcher()));
            }
            Err(error) => {
                tracing::warn!(error = %error, "Failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, routes: Router, watcher: Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "Failed to set TCP_NODELAY");
    }
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "Failed to shake hands");
            return;
        }
        Err(_) => return,
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_LIMIT)
        .http2()
        .timer(TokioTimer::new());
    let service = TowerToHyperService::new(routes);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(error = %error, "Failed to serve a connection");
    }
}

fn routes(app: App) -> Router {
    Router::new()
        .route(Path::Mutate.as_str(), post(mutate))
        .route(Path::Validate.as_str(), post(validate))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .route(
            SECRETS_PATH,
            post(secrets).layer(DefaultBodyLimit::max(pod_secrets::BODY_LIMIT)),
        )
        .with_state(app)
}

async fn mutate(State(app): State<App>, request: Request) -> Response {
    answer(&app, Path::Mutate, request).await
}

async fn validate(State(app): State<App>, request: Request) -> Response {
    answer(&app, Path::Validate, request).await
}

async fn secrets(State(app): State<App>, request: Request) -> Response {
    let Ok(_slot) = app.agent_slots.try_acquire() else {
        app.webhook.metrics.shed(SECRETS_PATH);
        let message = "latchkey answers as many pods as it may; try again";
        return respond(
            &app,
            StatusCode::SERVICE_UNAVAILABLE,
            pod_secrets::refusal(message),
        );
    };
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let authorization = authorization.as_ref().and_then(|value| value.to_str().ok());
    let body = tokio::time::timeout(HANDSHAKE_LIMIT, Bytes::from_request(request, &()));
    let (status, body) = match body.await {
        Ok(Ok(body)) => {
            let reply = app.webhook.pod_secrets(authorization, &body).await;
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, reply.body)
        }
        Ok(Err(rejection)) => {
            let body = pod_secrets::refusal(&rejection.body_text());
            (rejection.status(), body)
        }
        Err(_) => {
            let body = pod_secrets::refusal("the body did not come in time");
            (StatusCode::REQUEST_TIMEOUT, body)
        }
    };
    respond(&app, status, body)
}

async fn answer(app: &App, path: Path, request: Request) -> Response {
    let (status, body) = match app.slots.try_acquire() {
        Ok(_slot) => serve(app, path, request).await,
        Err(_) => {
            app.webhook.metrics.shed(path.as_str());
            let message = "latchkey's webhook has more reviews under way than --webhook-max-in-flight \
                           allows; try again, or give it more replicas";
            refused(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    };
    respond(app, status, body)
}

fn respond(app: &App, status: StatusCode, body: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let after = HeaderValue::from_static(RETRY_AFTER);
        headers.insert(header::RETRY_AFTER, after);
    }
    if app.is_draining.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        headers.insert(header::CONNECTION, close);
    }
    response
}

/// Reads the body and answers it, all within the limit: who sends slowly holds no place for long. A panic
/// ends this request alone.
async fn serve(app: &App, path: Path, request: Request) -> (StatusCode, Vec<u8>) {
    if !is_json(request.headers()) {
        let message = "the content type must be application/json";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    let (started, limit) = (Instant::now(), limit(request.uri().query()));
    let body = tokio::time::timeout(limit, Bytes::from_request(request, &()));
    let body = match body.await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return refused(rejection.status(), &rejection.body_text()),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    let left = limit.saturating_sub(started.elapsed());
    match panic_caught(app.webhook.reply(path, &body, left)).await {
        Ok(reply) => {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, reply.body)
        }
        Err(()) => {
            app.webhook.metrics.panicked("webhook");
            let message = "latchkey failed at this review; its log has the cause";
            refused(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

fn refused(status: StatusCode, message: &str) -> (StatusCode, Vec<u8>) {
    (status, review::status(status.as_u16(), message))
}

/// Whether the body is said to be JSON; parameters such as a charset do not matter.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// How long an answer may take: 80 % of what the API server waits, so that it gets ours and not its own
/// timeout.
fn limit(query: Option<&str>) -> Duration {
    let parameters = query.unwrap_or_default().split('&');
    let said = parameters
        .filter_map(|parameter| parameter.strip_prefix("timeout="))
        .find_map(|text| duration::parse(text).ok())
        .and_then(|timeout| Duration::try_from(timeout).ok())
        .filter(|timeout| !timeout.is_zero());
    said.unwrap_or(DEFAULT_TIMEOUT).min(LONGEST_TIMEOUT) * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_38_four_fifths_of_the_timeout_are_used() {
        assert_eq!(limit(Some("timeout=5s")), Duration::from_secs(4));
        assert_eq!(limit(Some("a=b&timeout=1s")), Duration::from_millis(800));
        assert_eq!(limit(Some("timeout=9h")), Duration::from_secs(24));
        for query in [
            None,
            Some("timeout=soon"),
            Some("timeout=-1s"),
            Some("timeout=0s"),
        ] {
            assert_eq!(limit(query), Duration::from_secs(8), "{query:?}");
        }
    }
}
