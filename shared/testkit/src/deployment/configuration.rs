//! The configurations of roles that are apart.

use std::path::PathBuf;

use super::{ALL, Deployment, NODES, PEER_SILENCE, POLICY, Role, SOURCE_DEADLINE, index};
use crate::{Contexts, Ehr, EhrClient};

impl Deployment {
    pub(super) fn write_configurations(&self) {
        self.make_delegation_key("delegation.key");
        self.make_key("oauth.key", "oauth.jwks.json");
        self.make_key("oauth-client.key", "oauth-client.jwks.json");
        self.make_key("launcher.key", "launcher.jwks.json");
        self.make_key("ehr-client.key", "ehr-client.jwks.json");
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
                 {}{}{}",
                self.database(role),
                self.feed(),
                self.door(role, self.ports.registry, everything),
                self.door(role, self.ports.peers, "\"publish\", \"delegate\", \"administer\"")
            ),
            Role::Node(n) => format!(
                "{}[[repository]]\n{}{}node = {{ repository_unique_id = \"{}\", organisation = \"{}\", \
                 when_registry_is_away = \"{}\", keep_refused_days = 7 }}\n{}{}",
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
            Role::SignIn => {
                let provider = |name: &str, port: u16| {
                    format!(
                        "[{name}]\nlisten = {{ address = \"127.0.0.1:{port}\" }}\n\
                         issuer = \"http://127.0.0.1:{port}\"\nportal = \"{}\"\n",
                        self.url(Role::Portal, "")
                    )
                };
                provider("demo_sign_in", self.ports.sign_in)
                    + &provider("demo_citizen_sign_in", self.ports.citizen_sign_in)
            }
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
        for (n, client) in ["demo-source", "demo-publisher"].into_iter().enumerate() {
            text += &format!(
                "[[portal.publisher]]\nclient_id = \"{client}\"\norganisation = \"ZEX01\"\n\
                 node = \"{}\"\nurl = \"{}://127.0.0.1:{}/xds/repository\"\n\
                 source_id = \"2.999.826.3.{}\"\n",
                NODES[0].0,
                self.scheme(),
                self.ports.node_peers[0],
                n + 1,
            );
        }
        text += &format!(
            "[[portal.sign_in]]\nid = \"nhs-login\"\nkind = \"citizen\"\nname = \"NHS login\"\n\
             issuer = \"{}\"\nclient_id = \"carerecord-web\"\nscopes = [\"profile\"]\n\
             organisations = [\"ZEX09\"]\n",
            self.citizen_issuer(),
        );
        text += &format!(
            "[[portal.ehr]]\niss = \"http://127.0.0.1:{}/fhir\"\nname = \"Example EPR\"\n\
             client_id = \"carerecord\"\nclient_key = \"ehr-client.key\"\n\
             organisation = \"A20047\"\nperson_claim = \"nhsid_useruid\"\n",
            self.ports.ehr,
        );
        text += &format!(
            "[[portal.launcher]]\nid = \"demo-epr\"\nname = \"Example EPR\"\n\
             keys = \"launcher.jwks.json\"\norganisations = [\"ZEX01\", \"A20047\"]\n\
             context_url = \"http://127.0.0.1:{}/context\"\nclient_id = \"carerecord\"\n\
             client_key = \"ehr-client.key\"\n",
            self.ports.ehr,
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
            if n < self.asked_by_health {
                let port = self.ports.admin[index(Role::Node(n))];
                let health = format!("http://127.0.0.1:{port}/health/ready");
                text += &format!("status_url = \"{health}\"\n");
            }
        }
        text
    }

    /// Starts the record system that the portal knows, which opens records by SMART App Launch.
    pub async fn ehr(&self) -> Ehr {
        let redirect = self.url(Role::Portal, "/launch/callback");
        Ehr::start(self.ports.ehr, &redirect, EhrClient::Keys(self.ehr_client_keys())).await
    }

    /// Starts where the system `demo-epr` is asked for contexts, in place of the record system.
    pub async fn contexts(&self) -> Contexts {
        Contexts::start(self.ports.ehr, self.ehr_client_keys()).await
    }

    fn ehr_client_keys(&self) -> PathBuf {
        let keys = "ehr-client.jwks.json";
        match self.apart {
            true => self.file(keys),
            false => self.data(Role::Portal).join(keys),
        }
    }

    fn delegations(role: Role) -> &'static str {
        match role {
            Role::Registry | Role::Node(_) => "[delegations]\nkeys = \"delegation.jwks.json\"\n",
            Role::Portal => concat!(
                "[delegations]\nkey = \"delegation.key\"\n",
                "[portal.oauth]\nkey = \"oauth.key\"\nkeys = \"oauth.jwks.json\"\n",
                "[[portal.oauth.client]]\nid = \"demo-reader\"\norganisation = \"ZEX09\"\n",
                "keys = \"oauth-client.jwks.json\"\nscopes = [\"system/*.rs\"]\n",
                "may_introspect = true\n",
                "[[portal.oauth.client]]\nid = \"demo-publisher\"\norganisation = \"ZEX01\"\n",
                "keys = \"oauth-client.jwks.json\"\nscopes = [\"system/*.crs\"]\n",
                "[[portal.oauth.client]]\nid = \"demo-app\"\nname = \"Example app\"\n",
                "organisation = \"ZEX09\"\nredirect_uris = [\"http://127.0.0.1:9000/callback\"]\n",
                "scopes = [\"launch/patient\", \"patient/*.rs\", \"user/*.rs\"]\n",
            ),
            Role::SignIn => "",
        }
    }

    pub(super) fn database_of(role: Role) -> usize {
        match role {
            Role::Registry => 0,
            Role::Node(n) => n + 1,
            Role::Portal | Role::SignIn => 4,
        }
    }

    fn database(&self, role: Role) -> String {
        let url = self.database_url(role);
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

    fn feed(&self) -> String {
        let listen = format!(
            "address = \"127.0.0.1:{}\"{}",
            self.ports.mllp,
            self.server_tls(Role::Registry)
        );
        let caller = match self.tls {
            Some(_) => "",
            None => {
                "caller = { name = \"loopback\", organisation = \"ZEX09\", rights = [\"publish\"] }\n"
            }
        };
        format!("[registry.feed]\nlisten = {{ {listen} }}\n{caller}")
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
        } else if port == self.ports.peers {
            text += "delegations = \"accepted\"\n";
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

/// What the portal may do at nodes.
const PORTAL: &str = "\"publish\", \"retrieve\", \"delegate\"";
const EVERYTHING: &str = "\"publish\", \"query\", \"retrieve\"";
