mod configuration;
mod made;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Authority, Fhir, Issued, Letter, Process, Xds, files, free_ports, trusting};

/// A running Care Record: in one process or in six. Tests know addresses only.
pub struct Deployment {
    binary: PathBuf,
    folder: TempDir,
    ports: Ports,
    apart: bool,
    samples: bool,
    mock: bool,
    /// How many of the nodes are asked by their health whether they can serve; the others by ITI-43.
    asked_by_health: usize,
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
    /// Of citizens.
    citizen_sign_in: u16,
    /// Of a record system that launches, which tests start.
    ehr: u16,
    /// The identity feed of the registry, by MLLP.
    mllp: u16,
    /// Of the registry, for the other roles.
    peers: u16,
    /// Of the nodes, for the portal.
    node_peers: [u16; 3],
    /// By role, in the order of `ALL`; `demo` has one.
    admin: [u16; 6],
}

impl Deployment {
    /// Whether roles can be stopped by themselves.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// Starts what does not run.
    pub fn start_all(&mut self) {
        self.configure();
        for role in ALL {
            self.start(role);
        }
    }

    /// Writes the configurations of roles that are apart, unless they are there: before a first
    /// start of some of them only.
    pub fn configure(&self) {
        if self.apart && !self.file("registry.toml").exists() {
            self.write_configurations();
        }
    }

    /// Gives the portal this directory of nodes in place of its sources, from its next start on.
    pub fn use_directory(&self, nodes: &str) {
        std::fs::write(self.file("nodes.toml"), nodes).unwrap();
        let file = self.file("portal.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, _) = text.split_once("[[portal.source]]").unwrap();
        let text = before.replace("[portal]\n", "[portal]\nnodes = \"nodes.toml\"\n");
        std::fs::write(file, text).unwrap();
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
            let what = if self.mock { "mock" } else { "demo" };
            command.args([what, "--port", &self.ports.portal.to_string(), "--data"]);
            command.arg(self.data(role));
            if !self.samples && !self.mock {
                command.arg("--empty");
            }
        }
        let admin = self.ports.admin[index(role)];
        let process = Process::start(command, &self.file(&format!("{name}.log")), admin);
        self.running.insert(name, process);
    }

    /// Starts one more process of a node over the same database and object store; the address that
    /// it serves its callers on.
    pub fn copy_of_node(&self, n: usize) -> (Process, String) {
        let name = self.name(Role::Node(n));
        let text = std::fs::read_to_string(self.file(&format!("{name}.toml"))).unwrap();
        let ports = free_ports(3);
        let own = [self.ports.nodes[n], self.ports.node_peers[n], self.ports.admin[n + 1]];
        let text = own.iter().zip(&ports).fold(text, |text, (own, other)| {
            text.replace(&format!("127.0.0.1:{own}\""), &format!("127.0.0.1:{other}\""))
        });
        let text = text.replace(&format!("\"data-{name}\""), &format!("\"data-copy-of-{name}\""));
        let file = self.file(&format!("copy-of-{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let mut command = self.command();
        command.args(["serve", "--config"]).arg(&file);
        let process = Process::start(command, &self.file(&format!("copy-of-{name}.log")), ports[2]);
        (process, format!("http://127.0.0.1:{}/xds/repository", ports[0]))
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

    /// The port of the identity feed by MLLP.
    pub fn mllp_port(&self) -> u16 {
        self.ports.mllp
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

    /// The sign-in provider of citizens.
    pub fn citizen_issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.citizen_sign_in)
    }

    /// A citizen at the FHIR API, signed in by the citizens' provider.
    pub async fn citizen(&self, account: &str) -> Fhir {
        self.fhir_at(&self.citizen_issuer()).as_person(account).await
    }

    /// A caller of the FHIR API that nobody is signed in to.
    pub fn fhir(&self) -> Fhir {
        self.fhir_at(&self.url(Role::SignIn, ""))
    }

    fn fhir_at(&self, issuer: &str) -> Fhir {
        let http = match &self.tls {
            Some(tls) => trusting(&tls.authority.pem),
            None => reqwest::Client::builder().no_proxy(),
        };
        Fhir::new(http, &self.url(Role::Portal, ""), issuer)
    }

    /// The PostgreSQL database of a role; none where it is on SQLite.
    pub fn database_url(&self, role: Role) -> Option<&str> {
        self.databases.as_ref().map(|urls| urls[Self::database_of(role)].as_str())
    }

    /// Lets the PostgreSQL database of a role take writes, or none.
    pub fn let_database_write(&self, role: Role, writes: bool) {
        let databases = self.databases.as_ref().expect("on PostgreSQL");
        crate::postgres::let_write(&databases[Self::database_of(role)], writes);
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

    /// The object of the first node that holds a letter, which no other is as long as.
    pub fn object_of(&self, letter: &Letter) -> PathBuf {
        let size = letter.bytes.len() as u64;
        let mut found = self.stored_objects(0);
        found.retain(|file| std::fs::metadata(file).unwrap().len() == size);
        assert_eq!(found.len(), 1, "objects of {size} bytes");
        found.remove(0)
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

    /// The key by which the system `demo-epr` opens records in context.
    pub fn launcher_key(&self) -> PathBuf {
        match self.apart {
            true => self.file("launcher.key"),
            false => self.data(Role::Portal).join("launcher.key"),
        }
    }
}

fn index(role: Role) -> usize {
    ALL.iter().position(|other| *other == role).expect("a role of the deployment")
}

/// The public keys that nodes believe, where the roles are apart.
const DELEGATION_KEYS: &str = "delegation.jwks.json";

/// Where nothing is shared, the registry comes first: others ask it.
const ALL: [Role; 6] =
    [Role::Registry, Role::Node(0), Role::Node(1), Role::Node(2), Role::SignIn, Role::Portal];

/// The rules that `demo` brings.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/carerecord/config/policy");
