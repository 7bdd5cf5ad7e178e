//! The kinds of deployments there are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{ALL, Deployment, NODES, Ports, Role, Tls};
use crate::{Authority, free_ports, ten_ports};

impl Deployment {
    /// `carerecord demo --empty`.
    pub fn one_process(binary: &str) -> Self {
        let mut deployment = Self::one_process_stopped(binary);
        deployment.start_all();
        deployment
    }

    /// `carerecord demo`, when its people and documents are there.
    pub fn with_samples(binary: &str) -> Self {
        let mut deployment = Self::with_samples_stopped(binary);
        deployment.start_all();
        deployment.wait_for_samples();
        deployment
    }

    /// `carerecord mock`, when its people and documents are there.
    pub fn mock(binary: &str) -> Self {
        let mut deployment = Self::one_process_stopped(binary);
        deployment.mock = true;
        deployment.start_all();
        deployment.wait_for_samples();
        deployment
    }

    /// As `with_samples`, yet to be started.
    pub fn with_samples_stopped(binary: &str) -> Self {
        let mut deployment = Self::one_process_stopped(binary);
        deployment.samples = true;
        deployment
    }

    /// Waits until the demo's people and documents are there.
    pub fn wait_for_samples(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !self.has_samples() {
            assert!(Instant::now() < deadline, "no samples");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the demo says that its people and documents are there.
    pub fn has_samples(&self) -> bool {
        self.data(Role::Portal).join("samples-published").exists()
    }

    /// As `one_process`, yet to be started.
    pub fn one_process_stopped(binary: &str) -> Self {
        let first = ten_ports();
        let ports = Ports {
            portal: first,
            registry: first + 1,
            nodes: [first + 2, first + 3, first + 4],
            sign_in: first + 5,
            citizen_sign_in: first + 7,
            ehr: first + 8,
            mllp: first + 6,
            peers: 0,
            node_peers: [0; 3],
            admin: [first + 9; 6],
        };
        Self::new(binary, ports, false)
    }

    /// As `apart`, on PostgreSQL; `None`, said on standard output, where that is not installed.
    pub async fn apart_on_postgres(binary: &str) -> Option<Self> {
        let mut databases = Vec::new();
        for _ in 0..5 {
            databases.push(crate::postgres::fresh_url().await?);
        }
        let mut deployment = Self::apart_stopped(binary);
        deployment.use_databases(databases);
        deployment.start_all();
        Some(deployment)
    }

    /// `carerecord serve`: registry, three nodes, portal and sign-in each in a process of its own.
    pub fn apart(binary: &str) -> Self {
        let mut deployment = Self::apart_stopped(binary);
        deployment.start_all();
        deployment
    }

    /// Before the first start: the PostgreSQL databases of registry, nodes and portal, five.
    pub fn use_databases(&mut self, urls: Vec<String>) {
        self.databases = Some(urls.try_into().expect("five databases"));
    }

    /// Before the first start: every node is asked by its health whether it can serve.
    pub fn ask_by_health(&mut self) {
        self.asked_by_health = NODES.len();
    }

    /// As `apart`, with the documents on a server of the S3 protocol.
    #[cfg(feature = "s3")]
    pub async fn apart_on_s3(binary: &str) -> Self {
        let mut deployment = Self::apart_on_s3_stopped(binary).await;
        deployment.start_all();
        deployment
    }

    /// As `apart_on_s3`, yet to be started.
    #[cfg(feature = "s3")]
    pub async fn apart_on_s3_stopped(binary: &str) -> Self {
        let mut deployment = Self::apart_stopped(binary);
        let server = crate::S3Server::start().await;
        std::fs::write(deployment.file("s3.secret"), crate::S3Server::SECRET).unwrap();
        deployment.store = Some(server);
        deployment
    }

    /// As `apart_on_s3_stopped`, on PostgreSQL besides; `None` where that is not installed.
    #[cfg(feature = "s3")]
    pub async fn apart_on_s3_and_postgres_stopped(binary: &str) -> Option<Self> {
        let mut databases = Vec::new();
        for _ in 0..5 {
            databases.push(crate::postgres::fresh_url().await?);
        }
        let mut deployment = Self::apart_on_s3_stopped(binary).await;
        deployment.use_databases(databases);
        Some(deployment)
    }

    /// The server that has the documents of `apart_on_s3`.
    #[cfg(feature = "s3")]
    pub fn store(&self) -> &crate::S3Server {
        self.store.as_ref().expect("it is there")
    }

    /// As `apart`, where all speak mutual TLS; the portal asks browsers for no certificate.
    pub fn apart_over_tls(binary: &str) -> Self {
        let mut deployment = Self::apart_stopped(binary);
        let authority = Authority::new("Authority of the test");
        let epr = authority.issue("epr", &["epr.example"], 1);
        let write = |name: &str, text: &str| std::fs::write(deployment.file(name), text).unwrap();
        write("ca.pem", &authority.pem);
        write("epr.pem", &epr.certificate);
        write("epr.key", &epr.key);
        deployment.tls = Some(Tls { authority, epr });
        for (n, role) in ALL.into_iter().enumerate() {
            deployment.renew(role, 10 + n as u64);
        }
        deployment.start_all();
        deployment
    }

    /// Gives a role a new certificate of the authority, while it runs or before.
    pub fn renew(&self, role: Role, serial: u64) {
        let name = self.name(role);
        let dns = format!("{name}.example");
        let issued = self.authority().issue(&name, &["127.0.0.1", &dns], serial);
        std::fs::write(self.file(&format!("{name}.pem")), issued.certificate).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), issued.key).unwrap();
    }

    /// The authority of all certificates, where all speak TLS.
    pub fn authority(&self) -> &Authority {
        &self.tls.as_ref().expect("over TLS").authority
    }

    /// As `apart`, yet to be started.
    pub fn apart_stopped(binary: &str) -> Self {
        let p = free_ports(19);
        let ports = Ports {
            portal: p[0],
            registry: p[1],
            nodes: [p[2], p[3], p[4]],
            sign_in: p[5],
            citizen_sign_in: p[16],
            mllp: p[17],
            ehr: p[18],
            peers: p[6],
            node_peers: [p[13], p[14], p[15]],
            admin: [p[7], p[8], p[9], p[10], p[11], p[12]],
        };
        Self::new(binary, ports, true)
    }

    fn new(binary: &str, ports: Ports, apart: bool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        Self {
            binary: binary.into(),
            folder,
            ports,
            apart,
            samples: false,
            mock: false,
            asked_by_health: 1,
            databases: None,
            #[cfg(feature = "s3")]
            store: None,
            tls: None,
            running: HashMap::new(),
        }
    }
}
