//! TLS between the real agent's stream and the real scaler, with certificates as users give them.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use common::{Cluster, Running, eventually};
use probe_agent::orders::Orders;
use probe_agent::stream::{Address, Link, Outbox, Stream, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use scaler::cli::{Cli, Command};
use scaler::config::Config;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::ServerTlsConfig;
use viperscale_proto::v1 as wire;

/// A CA, and the files it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `<file>.pem` and `<file>.key`.
    fn sign(&self, file: &str, common_name: &str, subject_alt_names: &[&str]) {
        let names: Vec<String> = subject_alt_names.iter().map(|&n| n.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    /// The files of an agent that trusts this CA, with this certificate of `signer`.
    fn agent(&self, signer: &Authority, file: &str) -> TlsFiles {
        TlsFiles {
            ca: Some(self.path("ca.pem")),
            certificate: Some(signer.path(&format!("{file}.pem"))),
            key: Some(signer.path(&format!("{file}.key"))),
        }
    }

    /// The scaler's TLS, from its command line.
    fn server(&self) -> Option<ServerTlsConfig> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (cert, key, ca) = (path("scaler.pem"), path("scaler.key"), path("ca.pem"));
        let policies = self.directory.path().to_str().unwrap();
        let Command::Run(args) = Cli::parse_from([
            "scaler",
            "run",
            "--policies",
            policies,
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca,
        ])
        .command
        else {
            unreachable!("the arguments start with `run`");
        };
        Config::try_from(*args).unwrap().tls
    }
}

/// A scaler that demands certificates of `authority`.
struct Secured {
    authority: Authority,
    scaler: Running,
    cluster: Cluster,
}

impl Secured {
    async fn start() -> Self {
        let authority = Authority::new();
        authority.sign("scaler", "scaler", &["127.0.0.1"]);
        let cluster = Cluster::start().await;
        let scaler = Running::start_with(&cluster, &[], |config| {
            config.tls = authority.server();
        })
        .await;
        Secured {
            authority,
            scaler,
            cluster,
        }
    }

    fn url(&self) -> String {
        format!("https://{}", self.scaler.scaler.grpc_address)
    }
}

/// The stream of a node agent, without the agent; ends when dropped.
struct Agent {
    link: watch::Receiver<Link>,
    _task: JoinSet<()>,
}

impl Agent {
    fn start(url: &str, node: &str, tls: &TlsFiles) -> Self {
        let (link, linked) = watch::channel(Link::NeverUp);
        let stream = Stream {
            addresses: vec![Address::parse(url, tls).unwrap()],
            hello: wire::Hello {
                node_name: node.to_owned(),
                ..wire::Hello::default()
            },
            default_interval: Duration::from_secs(1),
            grace: Duration::from_secs(60),
            reports: Arc::new(Outbox::bounded(NonZeroUsize::MIN)),
            orders: Arc::new(Orders::default()),
            link,
        };
        let mut task = JoinSet::new();
        task.spawn(stream.run());
        Agent {
            link: linked,
            _task: task,
        }
    }
}

/// What this thread logs while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The first complaint in the log of an agent that is refused. Needs a runtime of one thread.
async fn complaint(url: &str, node: &str, tls: &TlsFiles) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let agent = Agent::start(url, node, tls);
    let line = eventually("a complaint of the agent", || async {
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let mut lines = log.lines();
        lines
            .find(|line| line.contains("probe_agent") && line.contains("error="))
            .map(str::to_owned)
    })
    .await;
    assert_eq!(*agent.link.borrow(), Link::NeverUp, "{line}");
    line
}

#[tokio::test]
async fn an_agent_with_its_nodes_certificate_is_served() {
    let secured = Secured::start().await;
    let authority = &secured.authority;
    authority.sign("common", "n1", &[]);
    authority.sign("alternative", "probe-agent", &["n1", "n1.cluster"]);
    for file in ["common", "alternative"] {
        let files = authority.agent(authority, file);
        let mut agent = Agent::start(&secured.url(), "n1", &files);
        let up = agent.link.wait_for(|link| *link == Link::Up);
        let up = tokio::time::timeout(Duration::from_secs(20), up).await;
        assert!(up.is_ok(), "{file}: no configuration");
    }
}

#[tokio::test]
async fn an_agent_without_a_certificate_is_told_to_show_one() {
    let secured = Secured::start().await;
    let files = TlsFiles {
        ca: Some(secured.authority.path("ca.pem")),
        ..TlsFiles::default()
    };
    let line = complaint(&secured.url(), "n1", &files).await;
    assert!(line.contains("--tls-cert"), "{line}");
}

#[tokio::test]
async fn an_agent_with_another_nodes_certificate_is_refused_and_counted() {
    let secured = Secured::start().await;
    let authority = &secured.authority;
    authority.sign("n2", "n2", &[]);
    let line = complaint(&secured.url(), "n1", &authority.agent(authority, "n2")).await;
    assert!(line.contains("PermissionDenied"), "{line}");
    assert!(line.contains("for \"n2\", not for node \"n1\""), "{line}");
    let metrics = secured.scaler.get("/metrics").await.text().await.unwrap();
    let counter = "viperscale_streams_total{result=\"forbidden\"}";
    assert!(metrics.contains(counter), "{metrics}");
}

#[tokio::test]
async fn certificates_of_a_strange_authority_are_refused_on_both_sides() {
    let secured = Secured::start().await;
    let authority = &secured.authority;
    authority.sign("n1", "n1", &[]);
    let strange = Authority::new();
    strange.sign("n1", "n1", &[]);
    let line = complaint(&secured.url(), "n1", &authority.agent(&strange, "n1")).await;
    assert!(line.contains("--tls-cert"), "{line}");
    let line = complaint(&secured.url(), "n1", &strange.agent(authority, "n1")).await;
    assert!(line.contains("is --tls-ca the authority"), "{line}");
}

#[tokio::test]
async fn a_wrong_address_is_explained() {
    let secured = Secured::start().await;
    let authority = &secured.authority;
    authority.sign("n1", "n1", &[]);
    let files = authority.agent(authority, "n1");
    let by_name = secured.url().replace("127.0.0.1", "localhost");
    let line = complaint(&by_name, "n1", &files).await;
    assert!(
        line.contains("a name that its certificate is for"),
        "{line}"
    );

    let plain = secured.url().replace("https", "http");
    let line = complaint(&plain, "n1", &TlsFiles::default()).await;
    assert!(line.contains("its address is https://"), "{line}");

    let without_tls = Running::start(&secured.cluster, &[]).await;
    let url = format!("https://{}", without_tls.scaler.grpc_address);
    let line = complaint(&url, "n1", &files).await;
    assert!(line.contains("speaks no TLS"), "{line}");
}
