//! moto on loopback, with users and roles whose policies it enforces.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::daemon::Daemon;
use crate::support::workdir::Workdir;
use crate::support::{ports, script, wait};

/// How long the server may take to start on a loaded machine.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The account of everything.
pub(crate) const ACCOUNT: &str = "123456789012";

/// What a role asks of who assumes it.
pub(crate) const EXTERNAL_ID: &str = "outside";

pub(crate) const REGION: &str = "eu-west-1";

/// Calls that make users and roles, which the server lets through unchecked.
const FREE_CALLS: usize = 18;

/// A running server; it ends with the process.
pub(crate) struct Server {
    /// Host and port.
    pub(crate) address: String,
    /// Who may do everything.
    pub(crate) admin: Key,
    /// Who may read, one by one and together.
    pub(crate) reader: Key,
    /// Who may read one by one only.
    pub(crate) narrow: Key,
    /// Who may assume roles only.
    pub(crate) chained: Key,
    http: reqwest::Client,
    _daemon: Daemon,
    _workdir: Workdir,
}

/// An access key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The server that all tests of this process share.
pub(crate) async fn shared() -> &'static Server {
    static SHARED: OnceCell<Result<Server, String>> = OnceCell::const_new();
    let started = SHARED
        .get_or_init(async || Server::start().await.map_err(|error| format!("{error:#}")))
        .await;
    match started {
        Ok(server) => server,
        Err(error) => panic!("no moto to test against: {error}"),
    }
}

impl Server {
    async fn start() -> anyhow::Result<Self> {
        let packages =
            tokio::task::spawn_blocking(|| script::path_from("tests/aws/build.sh")).await??;
        let workdir = Workdir::new("latchkey-aws-")?;
        let [port] = ports::free()?;
        let mut command = Command::new(packages.join("bin/python"));
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .env("INITIAL_NO_AUTH_ACTION_COUNT", FREE_CALLS.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HOME", workdir.path());
        let log = workdir.path().join("moto.log");
        let none = Key {
            id: String::new(),
            secret: String::new(),
        };
        let mut server = Self {
            address: format!("127.0.0.1:{port}"),
            admin: none.clone(),
            reader: none.clone(),
            narrow: none.clone(),
            chained: none,
            http: reqwest::Client::builder()
                .no_proxy()
                // Tests have a runtime each, and an idle connection belongs to the one that opened it.
                .pool_max_idle_per_host(0)
                .timeout(Duration::from_secs(30))
                .build()?,
            _daemon: Daemon::start("moto", &command, &log)?,
            _workdir: workdir,
        };
        let ready = format!("http://{}/moto-api/data.json", server.address);
        wait::until("moto", READY_WITHIN, async || {
            let answer = server.http.get(&ready).send().await?;
            answer.error_for_status()?;
            Ok(())
        })
        .await?;
        server.prepare().await?;
        Ok(server)
    }

    /// Users and roles, in exactly the calls that are free.
    async fn prepare(&mut self) -> anyhow::Result<()> {
        let read = json!([
            "secretsmanager:GetSecretValue",
            "secretsmanager:DescribeSecret",
            "ssm:GetParameter",
            "ssm:ListTagsForResource",
            "ssm:DescribeParameters",
        ]);
        let together = json!([
            "secretsmanager:GetSecretValue",
            "secretsmanager:DescribeSecret",
            "secretsmanager:ListSecrets",
            "secretsmanager:BatchGetSecretValue",
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:GetParametersByPath",
            "ssm:ListTagsForResource",
            "ssm:DescribeParameters",
        ]);
        self.admin = self.user("admin", &json!(["*"])).await?;
        self.reader = self.user("reader", &together).await?;
        self.narrow = self.user("narrow", &read).await?;
        self.chained = self.user("chained", &json!(["sts:AssumeRole"])).await?;
        let anybody = json!({"Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": "sts:AssumeRole"});
        let mut outside = anybody.clone();
        outside["Condition"] = json!({"StringEquals": {"sts:ExternalId": EXTERNAL_ID}});
        let may_assume = json!(["sts:AssumeRole"]);
        self.role("middle", &anybody, &may_assume).await?;
        self.role("far", &anybody, &together).await?;
        self.role("guarded", &outside, &together).await
    }

    async fn user(&self, name: &str, actions: &Value) -> anyhow::Result<Key> {
        self.iam("CreateUser", &[("UserName", name)]).await?;
        let policy = policy(&json!({"Effect": "Allow", "Action": actions, "Resource": "*"}));
        let form = [
            ("UserName", name),
            ("PolicyName", "own"),
            ("PolicyDocument", &policy),
        ];
        self.iam("PutUserPolicy", &form).await?;
        let made = self.iam("CreateAccessKey", &[("UserName", name)]).await?;
        let part = |tag: &str| {
            let begin = made.find(&format!("<{tag}>"))? + tag.len() + 2;
            let end = begin + made[begin..].find('<')?;
            Some(made[begin..end].to_owned())
        };
        let key = part("AccessKeyId").zip(part("SecretAccessKey"));
        let (id, secret) = key.with_context(|| format!("no access key in {made}"))?;
        Ok(Key { id, secret })
    }

    async fn role(&self, name: &str, trust: &Value, actions: &Value) -> anyhow::Result<()> {
        let trust = policy(trust);
        let form = [("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        self.iam("CreateRole", &form).await?;
        let policy = policy(&json!({"Effect": "Allow", "Action": actions, "Resource": "*"}));
        let form = [
            ("RoleName", name),
            ("PolicyName", "own"),
            ("PolicyDocument", &policy),
        ];
        self.iam("PutRolePolicy", &form).await.map(drop)
    }

    async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut form = vec![("Action", action), ("Version", "2010-05-08")];
        form.extend(parameters);
        let scope = "AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none";
        let call = self.http.post(format!("http://{}/", self.address));
        let call = call.header("authorization", scope).form(&form);
        let answer = call.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{action}: {status}: {text}");
        Ok(text)
    }

    /// Secrets Manager, as the administrator.
    pub(crate) fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .http_client(plain())
            .credentials_provider(self.admin.credentials());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// Parameter Store, as the administrator.
    pub(crate) fn parameters(&self) -> aws_sdk_ssm::Client {
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .http_client(plain())
            .credentials_provider(self.admin.credentials());
        aws_sdk_ssm::Client::from_conf(config.build())
    }

    /// Credentials of a role, for who may assume it.
    pub(crate) async fn assume(&self, role: &str) -> aws_sdk_sts::types::Credentials {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .http_client(plain())
            .credentials_provider(self.chained.credentials());
        let call = aws_sdk_sts::Client::from_conf(config.build()).assume_role();
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let assumed = call.role_arn(arn).role_session_name("test").send().await;
        let assumed = assumed.expect("the role must be assumed");
        assumed.credentials.expect("a role has credentials")
    }

    /// Makes a secret of text.
    pub(crate) async fn put(&self, name: &str, text: &str) {
        let call = self.secrets().create_secret().name(name);
        let made = call.secret_string(text).send().await;
        made.expect("the administrator must be able to make a secret");
    }
}

impl Key {
    fn credentials(&self) -> Credentials {
        Credentials::new(&self.id, &self.secret, None, None, "test")
    }
}

fn policy(statement: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn plain() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    use aws_smithy_http_client::{Builder, tls};
    let crypto = tls::rustls_provider::CryptoMode::AwsLc;
    Builder::new()
        .tls_provider(tls::Provider::Rustls(crypto))
        .build_https()
}
