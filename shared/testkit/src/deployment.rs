use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Authority, Fhir, Issued, Process, Xds, files, free_ports, ten_ports, trusting};

/// A running Care Record: in one process or in six. Tests know addresses only.
pub struct Deployment {
    binary: PathBuf,
    folder: TempDir,
    ports: Ports,
    apart: bool,
    samples: bool,
    /// PostgreSQL of registry, nodes and portal.
    databases: Option<[String; 5]>,
    /// Where the nodes keep documents, when that is not in files.
    #[cfg(feature = "s3")]
    store: Option<crate::S3Server>,
    /// Where all speak TLS.
    tls: Option<Tls>,
    running: HashMap<String, Process>,
}

struct Tls {
    authority: Authority,
    /// The system that tests are.
    epr: Issued,
}

/// What can be stopped by itself, where the roles are apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The registry.
    Registry,
    /// A node, 0 to 2.
    Node(usize),
    /// FHIR API and web portal.
    Portal,
    /// The sign-in provider.
    SignIn,
}

/// The nodes: repositoryUniqueId, organisation, name.
pub const NODES: [(&str, &str, &str); 3] = [
    ("2.999.826.1.1", "ZEX01", "Royal Example Hospital"),
    ("2.999.826.1.2", "ZEX02", "Example Community Trust"),
    ("2.999.826.1.3", "ZEX05", "Example Council"),
];

/// How long a source may take, as the deployments are configured.
pub const SOURCE_DEADLINE: Duration = Duration::from_secs(2);

/// How long a peer may say nothing, where the roles are apart.
pub const PEER_SILENCE: Duration = Duration::from_secs(3);

/// The first ten as `demo` orders them; the others are used where the roles are apart.
struct Ports {
    portal: u16,
    registry: u16,
    nodes: [u16; 3],
    sign_in: u16,
    /// Of the registry, for the other roles.
    peers: u16,
    /// Of the nodes, for the portal.
    node_peers: [u16; 3],
    /// By role, in the order of `ALL`; `demo` has one.
    admin: [u16; 6],
}

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
        Some(Self::apart_on(binary, databases.try_into().ok()))
    }

    /// `carerecord serve`: registry, three nodes, portal and sign-in each in a process of its own.
    pub fn apart(binary: &str) -> Self {
        Self::apart_on(binary, None)
    }

    fn apart_on(binary: &str, databases: Option<[String; 5]>) -> Self {
        let mut deployment = Self::apart_stopped(binary);
        deployment.databases = databases;
        deployment.start_all();
        deployment
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
        deployment.databases = databases.try_into().ok();
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
        let p = free_ports(16);
        let ports = Ports {
            portal: p[0],
            registry: p[1],
            nodes: [p[2], p[3], p[4]],
            sign_in: p[5],
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
            databases: None,
            #[cfg(feature = "s3")]
            store: None,
            tls: None,
            running: HashMap::new(),
        }
    }

    /// Whether roles can be stopped by themselves.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// Starts what does not run.
    pub fn start_all(&mut self) {
        if self.apart && !self.file("registry.toml").exists() {
            self.write_configurations();
        }
        for role in ALL {
            self.start(role);
        }
    }

    /// Starts the process of a role, unless it runs.
    pub fn start(&mut self, role: Role) {
        let name = self.name(role);
        if self.running.contains_key(&name) {
            return;
        }
        let mut command = self.command();
        if self.apart {
            command.args(["serve", "--config"]).arg(self.file(&format!("{name}.toml")));
        } else {
            command.args(["demo", "--port", &self.ports.portal.to_string(), "--data"]);
            command.arg(self.data(role));
            if !self.samples {
                command.arg("--empty");
            }
        }
        let admin = self.ports.admin[index(role)];
        let process = Process::start(command, &self.file(&format!("{name}.log")), admin);
        self.running.insert(name, process);
    }

    /// Kills the process of a role, as kill -9 does.
    pub fn kill(&mut self, role: Role) {
        self.running.remove(&self.name(role)).expect("it runs");
    }

    /// The process of a role.
    pub fn process(&self, role: Role) -> &Process {
        &self.running[&self.name(role)]
    }

    /// The data folder of a role.
    pub fn data(&self, role: Role) -> PathBuf {
        self.file(&format!("data-{}", self.name(role)))
    }

    /// A file beside configurations, logs and data.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The port of the registry that nodes and portal come in by, where the roles are apart.
    pub fn port_for_peers(&self) -> u16 {
        self.ports.peers
    }

    /// The port of a node that the portal comes in by, where the roles are apart.
    pub fn port_for_portal(&self, n: usize) -> u16 {
        self.ports.node_peers[n]
    }

    /// The port that a role serves its callers on.
    pub fn port(&self, role: Role) -> u16 {
        match role {
            Role::Registry => self.ports.registry,
            Role::Node(n) => self.ports.nodes[n],
            Role::Portal => self.ports.portal,
            Role::SignIn => self.ports.sign_in,
        }
    }

    /// The port of health and metrics of a role.
    pub fn admin_port(&self, role: Role) -> u16 {
        self.ports.admin[index(role)]
    }

    /// An address at a role.
    pub fn url(&self, role: Role, path: &str) -> String {
        let scheme = if role == Role::SignIn { "http" } else { self.scheme() };
        format!("{scheme}://127.0.0.1:{}{path}", self.port(role))
    }

    /// What the process of a role says of its readiness.
    pub async fn readiness(&self, role: Role) -> String {
        let url = format!("http://127.0.0.1:{}/health/ready", self.ports.admin[index(role)]);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// A caller of the registry by SOAP.
    pub fn registry(&self) -> Xds {
        self.xds(Role::Registry, "/xds/registry")
    }

    /// A source of the patient identity feed by SOAP.
    pub fn identity(&self) -> Xds {
        self.xds(Role::Registry, "/xds/identity")
    }

    /// A caller of a node by SOAP.
    pub fn node(&self, n: usize) -> Xds {
        self.xds(Role::Node(n), "/xds/repository")
    }

    fn xds(&self, role: Role, path: &str) -> Xds {
        let xds = Xds::new(self.url(role, path));
        match &self.tls {
            Some(tls) => xds.by(tls.epr.client(&tls.authority.pem)),
            None => xds,
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A caller of the FHIR API that nobody is signed in to.
    pub fn fhir(&self) -> Fhir {
        let http = match &self.tls {
            Some(tls) => trusting(&tls.authority.pem),
            None => reqwest::Client::builder().no_proxy(),
        };
        Fhir::new(http, &self.url(Role::Portal, ""), &self.url(Role::SignIn, ""))
    }

    /// Runs another command of the binary.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// The record of accesses of a role, as `carerecord audit` gives it, one JSON object a line; but for
    /// these readings themselves.
    pub fn audit(&self, role: Role) -> Vec<serde_json::Value> {
        let output = self.run_audit(role, &["--json", "--limit", "100000"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let events = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        events.filter(|e: &serde_json::Value| e["transport"] != "command line").collect()
    }

    /// Runs `carerecord audit` on the databases of a role.
    pub fn run_audit(&self, role: Role, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.arg("audit").args(arguments);
        if self.apart {
            command.arg("--config").arg(self.file(&format!("{}.toml", self.name(role))));
        } else {
            command.arg("--data").arg(self.data(role));
        }
        command.output().unwrap()
    }

    /// Before the first start: rules by which every document may be seen, for tests that
    /// are about bytes.
    pub fn show_everything(&self) {
        let policy = self.own_policy();
        std::fs::create_dir_all(policy.join("agreements")).unwrap();
        let models = "consent-models.toml";
        std::fs::copy(format!("{POLICY}/{models}"), policy.join(models)).unwrap();
        let changed = |file: &str, changes: &[(&str, &str)]| {
            let mut text = std::fs::read_to_string(format!("{POLICY}/{file}")).unwrap();
            for (from, to) in changes {
                assert!(text.contains(from), "{file} has changed: no {from}");
                text = text.replace(from, to);
            }
            std::fs::write(policy.join(file), text).unwrap();
        };
        changed("access.toml", &[("system_max_label = \"N\"", "system_max_label = \"V\"")]);
        let label = ("\"sensitivity_max\": \"R\"", "\"sensitivity_max\": \"V\"");
        let types = ("\"types_excluded\": [\"820301000000106\"]", "\"types_excluded\": []");
        changed("agreements/dsa-ev-0001.json", &[label, types]);
    }

    /// Before the first start: the rules as they are shipped, with more at the end of `access.toml`.
    pub fn add_rules(&self, more: &str) {
        let own = self.own_policy();
        for file in files(POLICY.as_ref()) {
            let to = own.join(file.strip_prefix(POLICY).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&file, &to).unwrap();
        }
        let access = own.join("access.toml");
        let text = std::fs::read_to_string(&access).unwrap();
        std::fs::write(access, format!("{text}\n{more}")).unwrap();
    }

    /// The files in a node's object store.
    pub fn stored_objects(&self, n: usize) -> Vec<PathBuf> {
        #[cfg(feature = "s3")]
        if let Some(store) = &self.store {
            let of_node = format!("node-{n}");
            let mut found = store.objects();
            found.retain(|file| file.components().any(|c| c.as_os_str() == of_node.as_str()));
            return found;
        }
        let folder = format!("node-{}/objects", NODES[n].0);
        files(&self.data(Role::Node(n)).join(folder))
    }

    /// Nothing in any log tells of a panic.
    pub fn assert_no_panic(&self) {
        for (name, process) in &self.running {
            let said = process.said();
            assert!(!said.contains("panicked at"), "{name}: {said}");
        }
    }

    /// The rules of this deployment alone, where there are any.
    fn own_policy(&self) -> PathBuf {
        if self.apart { self.file("policy") } else { self.data(Role::Registry).join("policy") }
    }

    fn command(&self) -> Command {
        Command::new(&self.binary)
    }

    fn name(&self, role: Role) -> String {
        match role {
            _ if !self.apart => "demo".to_owned(),
            Role::Registry => "registry".to_owned(),
            Role::Node(n) => format!("node{n}"),
            Role::Portal => "portal".to_owned(),
            Role::SignIn => "signin".to_owned(),
        }
    }

    fn write_configurations(&self) {
        self.make_delegation_key("delegation.key");
        self.make_key("oauth.key", "oauth.jwks.json");
        self.make_key("oauth-client.key", "oauth-client.jwks.json");
        let own = self.own_policy();
        let policy = if own.exists() { own.display().to_string() } else { POLICY.to_owned() };
        for role in ALL {
            let text = format!(
                "data = \"data-{}\"\npolicy = \"{policy}\"\nadmin = {{ address = \"127.0.0.1:{}\" \
                 }}\nlog = {{ filter = \"warn\" }}\npeers = {{ silence_ms = {}{} }}\n{}",
                self.name(role),
                self.ports.admin[index(role)],
                PEER_SILENCE.as_millis(),
                self.client_tls(role),
                Self::delegations(role).to_owned() + &self.sections(role) + &self.callers(role)
            );
            std::fs::write(self.file(&format!("{}.toml", self.name(role))), text).unwrap();
        }
    }

    fn sections(&self, role: Role) -> String {
        let everything = EVERYTHING;
        match role {
            Role::Registry => format!(
                "[registry]\n{}rules = {{ unknown_patients = \"accept\", number_policy = \"any\" }}\n\
                 {}{}",
                self.database(role),
                self.door(role, self.ports.registry, everything),
                self.door(role, self.ports.peers, "\"publish\", \"delegate\", \"administer\"")
            ),
            Role::Node(n) => format!(
                "{}[[repository]]\n{}{}node = {{ repository_unique_id = \"{}\", organisation = \"{}\", \
                 when_registry_is_away = \"{}\" }}\n{}{}",
                self.remote_registry(),
                self.database(role),
                self.storage(n),
                NODES[n].0,
                NODES[n].1,
                // The last one keeps submissions, the others refuse them.
                if n == 2 { "keep" } else { "refuse" },
                self.door(role, self.ports.nodes[n], everything),
                self.door(role, self.ports.node_peers[n], PORTAL)
            ),
            Role::Portal => self.portal(),
            Role::SignIn => format!(
                "[demo_sign_in]\nlisten = {{ address = \"127.0.0.1:{0}\" }}\n\
                 issuer = \"http://127.0.0.1:{0}\"\nportal = \"{1}\"\n",
                self.ports.sign_in,
                self.url(Role::Portal, "")
            ),
        }
    }

    fn portal(&self) -> String {
        let portal = self.url(Role::Portal, "");
        let mut text = format!(
            "{}[portal]\n{}listen = {{ address = \"127.0.0.1:{}\"{} }}\n\
             api = {{ base_url = \"{portal}/fhir\", issuer = \"{}\", source_deadline_ms = {} }}\n\
             web = {{ public_url = \"{portal}\", client_id = \"carerecord-web\"{} }}\n",
            self.remote_registry(),
            self.database(Role::Portal),
            self.ports.portal,
            self.server_tls(Role::Portal),
            self.url(Role::SignIn, ""),
            SOURCE_DEADLINE.as_millis(),
            if self.tls.is_some() { ", api_tls = { authorities = [\"ca.pem\"] }" } else { "" },
        );
        text += &format!(
            "[[portal.publisher]]\nclient_id = \"demo-source\"\norganisation = \"ZEX01\"\n\
             node = \"{}\"\nurl = \"{}://127.0.0.1:{}/xds/repository\"\n\
             source_id = \"2.999.826.3.1\"\n",
            NODES[0].0,
            self.scheme(),
            self.ports.node_peers[0],
        );
        for (n, (id, _, name)) in NODES.into_iter().enumerate() {
            let at = format!("{}://127.0.0.1:{}", self.scheme(), self.ports.node_peers[n]);
            let url = format!("{at}/xds/repository");
            text +=
                &format!("[[portal.source]]\nid = \"{id}\"\nname = \"{name}\"\nurl = \"{url}\"\n");
            let search = format!("{at}/peer/search");
            text += &format!("search_url = \"{search}\"\n");
            // Tests that stop nodes look at what is told of each request.
            text += "limits = { breaker_failures = 1000 }\n";
            // The first node is asked by its health, the others by ITI-43.
            if n == 0 {
                let health = format!("http://127.0.0.1:{}/health/ready", self.ports.admin[1]);
                text += &format!("status_url = \"{health}\"\n");
            }
        }
        text
    }

    /// A key of the portal in this file, whose public half nodes believe from now on.
    pub fn make_delegation_key(&self, name: &str) {
        self.make_key(name, DELEGATION_KEYS);
    }

    fn make_key(&self, key: &str, keys: &str) {
        let mut command = self.command();
        command.args(["signing-key", "--key"]).arg(self.file(key));
        command.arg("--keys").arg(self.file(keys));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The key by which the portal says for whom it asks.
    pub fn delegation_key(&self) -> PathBuf {
        match self.apart {
            true => self.file("delegation.key"),
            false => self.data(Role::Portal).join("delegation.key"),
        }
    }

    /// The key of the system `demo-reader`, by which it gets access tokens.
    pub fn client_key(&self) -> PathBuf {
        match self.apart {
            true => self.file("oauth-client.key"),
            false => self.data(Role::Portal).join("oauth-client.key"),
        }
    }

    fn delegations(role: Role) -> &'static str {
        match role {
            Role::Node(_) => "[delegations]\nkeys = \"delegation.jwks.json\"\n",
            Role::Portal => concat!(
                "[delegations]\nkey = \"delegation.key\"\n",
                "[portal.oauth]\nkey = \"oauth.key\"\nkeys = \"oauth.jwks.json\"\n",
                "[[portal.oauth.client]]\nid = \"demo-reader\"\norganisation = \"ZEX09\"\n",
                "keys = \"oauth-client.jwks.json\"\nscopes = [\"system/*.rs\"]\n",
                "may_introspect = true\n",
            ),
            Role::Registry | Role::SignIn => "",
        }
    }

    fn database(&self, role: Role) -> String {
        let n = match role {
            Role::Registry => 0,
            Role::Node(n) => n + 1,
            Role::Portal | Role::SignIn => 4,
        };
        let url = self.databases.as_ref().map(|urls| &urls[n]);
        url.map(|url| format!("database = \"{url}\"\n")).unwrap_or_default()
    }

    #[cfg(feature = "s3")]
    fn storage(&self, n: usize) -> String {
        let Some(store) = &self.store else { return String::new() };
        format!(
            "storage = {{ url = \"s3://{}/node-{n}\", endpoint = \"{}\", region = \"eu-west-2\", \
             silence_ms = 1500, retry_ms = 1500, settings = {{ access_key_id = \"{}\", \
             secret_access_key = {{ file = \"s3.secret\" }} }} }}\n",
            crate::S3Server::BUCKET,
            store.endpoint(),
            crate::S3Server::ACCESS_KEY,
        )
    }

    #[cfg(not(feature = "s3"))]
    #[expect(clippy::unused_self, reason = "with the feature it needs it")]
    fn storage(&self, _n: usize) -> String {
        String::new()
    }

    fn remote_registry(&self) -> String {
        let scheme = self.scheme();
        format!("[remote_registry]\nurl = \"{scheme}://127.0.0.1:{}\"\n", self.ports.peers)
    }

    fn server_tls(&self, role: Role) -> String {
        let (Some(_), name) = (&self.tls, self.name(role)) else { return String::new() };
        let clients = "client_authorities = [\"ca.pem\"]";
        let clients = if role == Role::Portal { "" } else { clients };
        format!(
            ", tls = {{ certificate = \"{name}.pem\", key = \"{name}.key\"{}{clients} }}",
            if clients.is_empty() { "" } else { ", " }
        )
    }

    fn client_tls(&self, role: Role) -> String {
        let (Some(_), name) = (&self.tls, self.name(role)) else { return String::new() };
        format!(
            ", tls = {{ certificate = \"{name}.pem\", key = \"{name}.key\", \
             authorities = [\"ca.pem\"] }}"
        )
    }

    fn door(&self, role: Role, port: u16, rights: &str) -> String {
        let table = if role == Role::Registry { "registry" } else { "repository" };
        let mut text = format!(
            "[[{table}.door]]\nlisten = {{ address = \"127.0.0.1:{port}\", \
             max_body_bytes = 5368709120, request_timeout_ms = 1800000{} }}\n",
            self.server_tls(role)
        );
        if table == "repository" {
            text += "delegations = \"required\"\n";
        }
        if self.tls.is_none() {
            text += &format!(
                "caller = {{ name = \"loopback\", organisation = \"ZEX09\", \
                 rights = [{rights}] }}\n"
            );
        }
        text
    }

    /// Who may come in where all speak TLS.
    fn callers(&self, role: Role) -> String {
        if self.tls.is_none() {
            return String::new();
        }
        let caller = |name: &str, rights: &str| {
            format!(
                "[[caller]]\nname = \"{name}\"\norganisation = \"ZEX09\"\nrights = [{rights}]\n\
                 certificate = {{ dns = \"{name}.example\" }}\n"
            )
        };
        let own = "\"publish\", \"retrieve\", \"delegate\", \"administer\"";
        match role {
            Role::Registry => ["epr", "node0", "node1", "node2", "portal"]
                .map(|name| caller(name, if name == "epr" { EVERYTHING } else { own }))
                .concat(),
            Role::Node(_) => caller("epr", EVERYTHING) + &caller("portal", PORTAL),
            Role::Portal | Role::SignIn => String::new(),
        }
    }
}

fn index(role: Role) -> usize {
    ALL.iter().position(|other| *other == role).expect("a role of the deployment")
}

/// The public keys that nodes believe, where the roles are apart.
const DELEGATION_KEYS: &str = "delegation.jwks.json";
/// What the portal may do at nodes.
const PORTAL: &str = "\"publish\", \"retrieve\", \"delegate\"";
const EVERYTHING: &str = "\"publish\", \"query\", \"retrieve\"";

/// Where nothing is shared, the registry comes first: others ask it.
const ALL: [Role; 6] =
    [Role::Registry, Role::Node(0), Role::Node(1), Role::Node(2), Role::SignIn, Role::Portal];

/// The rules that `demo` brings.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/carerecord/config/policy");
