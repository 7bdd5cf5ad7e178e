use std::path::Path;
use std::time::{Duration, Instant};

use carerecord_access::Policy;
use reqwest::StatusCode;

use super::{Doctor, unreachable};
use crate::nodes::{Directory, EndpointSection, Kind, NodeSection, client_of};
use crate::peer::RepositoryClient;

impl Doctor {
    /// Every node of a directory, at each of its endpoints. `local` is whether a node is one of
    /// this process, `deadline` that of nodes that have none of their own.
    pub(super) async fn directory(
        &mut self,
        file: &Path,
        policy: Option<&Policy>,
        http: &reqwest::Client,
        local: impl Fn(&NodeSection) -> bool,
        deadline: Duration,
    ) {
        let directory = match Directory::read(file) {
            Ok(directory) => directory,
            Err(error) => return self.tell("directory of nodes", Err(format!("{error:#}"))),
        };
        let count = format!("read, {} nodes", directory.nodes.len());
        self.tell("directory of nodes", Ok(count));
        for node in &directory.nodes {
            if let Some(wrong) = policy.and_then(|policy| other_organisation(node, policy)) {
                self.tell(&of(node), Err(wrong));
            }
            if node.endpoints.is_empty() {
                let here = match local(node) {
                    true => Ok("is a node of this process".to_owned()),
                    false => Err("it has no endpoints, and is no node of this process".to_owned()),
                };
                self.tell(&of(node), here);
                continue;
            }
            let client = match client_of(node, &directory, self.wait) {
                Ok(client) => client.unwrap_or_else(|| http.clone()),
                Err(error) => {
                    self.tell(&of(node), Err(format!("{error:#}")));
                    continue;
                }
            };
            let deadline = node.limits.deadline_ms.map_or(deadline, Duration::from_millis);
            for endpoint in &node.endpoints {
                self.endpoint(node, endpoint, &client, deadline).await;
            }
        }
    }

    async fn endpoint(
        &mut self,
        node: &NodeSection,
        endpoint: &EndpointSection,
        http: &reqwest::Client,
        deadline: Duration,
    ) {
        let what = match node.endpoints.len() {
            1 => of(node),
            _ => format!("{} at {}", of(node), endpoint.url),
        };
        if let Some(status) = &endpoint.status_url {
            self.page(&format!("{what}, its status page"), http, status.as_str(), "answers").await;
        }
        let url = endpoint.url.as_str();
        let client = RepositoryClient::new(http.clone(), node.id.clone(), url, None);
        let delegations = self.delegations.clone().filter(|_| node.kind == Kind::CareRecord);
        let client = client.with_delegations(delegations);
        let begun = Instant::now();
        let found = self.ask_for_nothing(&client, url).await;
        let took = begun.elapsed();
        let found = found.and_then(|good| match took > deadline {
            false => Ok(good),
            true => Err(format!(
                "{url} answers, but in {} ms, and the portal waits for {} ms only",
                took.as_millis(),
                deadline.as_millis()
            )),
        });
        self.tell(&what, found);
        if let Some(search) = endpoint.search(node.kind) {
            let found = self.search(http, search.as_str()).await;
            self.tell(&format!("{what}, its search"), found);
        }
    }

    /// Whether there is a search at an address, without searching for anything of anybody.
    async fn search(&self, http: &reqwest::Client, url: &str) -> Result<String, String> {
        let answer = tokio::time::timeout(self.wait, http.get(url).send()).await;
        let answer = answer.map_err(|_| self.silence(url))?;
        let answer = answer.map_err(|error| unreachable(url, &error.without_url()))?;
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED => Ok("is there".to_owned()),
            StatusCode::NOT_FOUND => Err(format!(
                "there is none at {url}: a node that is no Care Record node has kind = \"xds-b\""
            )),
            status => Err(format!("{url} answers with HTTP {status}")),
        }
    }
}

fn of(node: &NodeSection) -> String {
    format!("node {} ({})", node.name, node.id)
}

fn other_organisation(node: &NodeSection, policy: &Policy) -> Option<String> {
    let known = policy.node_organisation(&node.id)?;
    (*known != node.organisation).then(|| {
        format!("it is of {known} by the access rules, of {} by the directory", node.organisation)
    })
}
