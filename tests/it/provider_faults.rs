//! What every provider that is asked over HTTP makes of failures: the kind, the wait, and no secret in
//! the text. A provider joins with a [`Subject`].

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use latchkey::model::remote::RemoteRef;
use latchkey::providers::{Error, ErrorKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::fakes::{Fake, Fault};
use crate::provider_contract::SECRET;
use crate::provider_double::{Bench, Credentials, store};

/// A provider under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Its double, which holds the contract's values.
    pub(crate) router: fn() -> Router,
    /// The provider block for a double at this address.
    pub(crate) block: fn(&str) -> Value,
    /// All of its credentials have [`SECRET`] in them.
    pub(crate) credentials: fn() -> Arc<Credentials>,
    /// Something that is there to be read.
    pub(crate) reference: fn() -> RemoteRef,
    /// Paths by which it logs in.
    pub(crate) is_login: fn(&str) -> bool,
    /// Whether a login gives sessions that can expire.
    pub(crate) has_sessions: bool,
    /// What an answer 404 to the read means.
    pub(crate) missing: ErrorKind,
}

/// Every provider that joined.
pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        #[cfg(feature = "provider-akeyless")]
        crate::provider_akeyless::subject(),
        #[cfg(feature = "provider-barbican")]
        crate::provider_barbican::subject(),
        #[cfg(feature = "provider-conjur")]
        crate::provider_conjur::subject(),
        #[cfg(feature = "provider-doppler")]
        crate::provider_doppler::subject(),
        #[cfg(feature = "provider-doppler")]
        crate::provider_doppler::exchanging(),
        #[cfg(feature = "provider-gitlab")]
        crate::provider_gitlab::subject(),
        #[cfg(feature = "provider-infisical")]
        crate::provider_infisical::subject(),
        #[cfg(feature = "provider-onepassword")]
        crate::provider_onepassword::subject(),
        #[cfg(feature = "provider-webhook")]
        crate::provider_webhook::subject(),
    ]
}

impl Subject {
    async fn get(&self, uri: &str, timeout: Duration) -> Result<(), Error> {
        let bench = Bench::hurried(uri, (self.credentials)(), timeout);
        self.get_at(&bench, uri, 0).await
    }

    async fn get_at(&self, bench: &Bench, uri: &str, seconds: u64) -> Result<(), Error> {
        bench.time.set(seconds);
        let store = store((self.block)(uri));
        let client = bench.try_client(&store, seconds).await?;
        client.get(&(self.reference)()).await.map(|_| ())
    }
}

const PATIENT: Duration = Duration::from_secs(5);

fn is_clean(subject: &Subject, error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(shown.starts_with(subject.name), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn each_status_has_its_kind_and_its_wait() {
    for subject in subjects() {
        let table = [
            (401, ErrorKind::Denied),
            (403, ErrorKind::Denied),
            (404, subject.missing),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (400, ErrorKind::Invalid),
        ];
        for (status, kind) in table {
            let fake = Fake::start((subject.router)()).await;
            subject.get(&fake.uri, PATIENT).await.expect("it must work");
            let mut fault = Fault::new(status, subject.is_login);
            fault.retry_after = (status == 429).then_some(17);
            fake.fail(Some(fault));
            let error = subject.get(&fake.uri, PATIENT).await;
            let error = error.expect_err("it must fail");
            assert_eq!(error.kind, kind, "{} {status}: {error}", subject.name);
            if status == 429 {
                let wait = Some(Duration::from_secs(17));
                assert_eq!(error.retry_after, wait, "{}", subject.name);
            }
            if kind != ErrorKind::NotFound {
                let shown = error.to_string();
                assert!(shown.contains(&status.to_string()), "{shown}");
            }
            is_clean(&subject, &error);
        }
    }
}

#[tokio::test]
async fn credentials_that_the_server_repeats_are_struck_out() {
    for subject in subjects() {
        let fake = Fake::start((subject.router)()).await;
        subject.get(&fake.uri, PATIENT).await.expect("it must work");
        for spares in [(|_: &str| false) as fn(&str) -> bool, subject.is_login] {
            let mut fault = Fault::new(400, spares);
            fault.is_echo = true;
            fake.fail(Some(fault));
            let error = subject.get(&fake.uri, PATIENT).await;
            let error = error.expect_err("it must fail");
            assert!(error.to_string().contains("not good"), "{error}");
            is_clean(&subject, &error);
        }
    }
}

#[tokio::test]
async fn no_answer_is_unavailable_whether_slow_cut_short_or_none() {
    let replies: [&[u8]; 3] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"a\"",
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 500\r\n\r\n{\"message\"",
    ];
    for subject in subjects() {
        for reply in replies {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serve = tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut request = [0; 16];
                    stream.read_exact(&mut request).await.ok();
                    stream.write_all(reply).await.ok();
                }
            });
            let error = subject.get(&format!("http://{address}"), PATIENT).await;
            serve.abort();
            let error = error.expect_err("it must fail");
            let name = subject.name;
            assert_eq!(error.kind, ErrorKind::Unavailable, "{name}: {error}");
            is_clean(&subject, &error);
        }
        let fake = Fake::start((subject.router)()).await;
        let mut fault = Fault::new(200, |_| false);
        fault.delay = Duration::from_mins(1);
        fake.fail(Some(fault));
        let error = subject.get(&fake.uri, Duration::from_millis(100)).await;
        let error = error.expect_err("it must fail");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("in time"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = vec![key.cert.der().clone()];
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private.unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    for subject in subjects() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = acceptor.clone();
        let serve = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                acceptor.accept(stream).await.ok();
            }
        });
        let error = subject
            .get(&format!("https://localhost:{port}"), PATIENT)
            .await;
        serve.abort();
        let error = error.expect_err("it must fail");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        is_clean(&subject, &error);
    }
}

#[tokio::test]
async fn a_session_that_ends_before_its_time_is_replaced_once() {
    for subject in subjects().into_iter().filter(|one| one.has_sessions) {
        let fake = Fake::start((subject.router)()).await;
        let bench = Bench::hurried(&fake.uri, (subject.credentials)(), PATIENT);
        let logins = || {
            let all = fake.seen("POST", "/");
            all.iter()
                .filter(|one| (subject.is_login)(one.uri.path()))
                .count()
        };
        subject
            .get_at(&bench, &fake.uri, 0)
            .await
            .expect("it must work");
        let before = logins();
        fake.fail(Some(Fault {
            times: 1,
            ..Fault::new(401, subject.is_login)
        }));
        let again = subject.get_at(&bench, &fake.uri, 40).await;
        again.expect("it must log in again");
        assert_eq!(logins(), before * 2, "{}", subject.name);
    }
}
