//! The directory of nodes: a file of its own (`[portal] nodes`), that can change while the portal
//! runs. `docs/run.md` describes it.

mod client;
mod start;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use carerecord_model::{NodeId, OrganisationCode};
use carerecord_portal_api::NodeLimits;
use serde::Deserialize;
use url::{Host, Url};

pub use client::{LocalNode, NodeClients, client_of};
pub use start::start;

/// The whole file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The folder of the file, from which paths in it are taken.
    #[serde(skip)]
    pub base: PathBuf,
    /// The nodes, in the order in which answers tell of them.
    #[serde(default, rename = "node")]
    pub nodes: Vec<NodeSection>,
}

/// A `[[node]]`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct NodeSection {
    /// Its repositoryUniqueId.
    pub id: NodeId,
    /// Its name for people.
    pub name: String,
    /// The organisation that runs it.
    pub organisation: OrganisationCode,
    /// What it speaks.
    pub kind: Kind,
    /// The ways to it, the first one asked first; none for a node of this process.
    #[serde(default)]
    pub endpoints: Vec<EndpointSection>,
    /// How the portal makes itself known there.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) of the authority that its certificate must come from; those of the
    /// machine unless given.
    pub authority_file: Option<PathBuf>,
    /// What it may cost.
    #[serde(default)]
    pub limits: NodeLimits,
}

/// What a node speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// ITI-43, and searches inside documents.
    CareRecord,
    /// ITI-43 only: anybody's XDS.b repository.
    XdsB,
}

/// One of the `endpoints` of a node.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct EndpointSection {
    /// Its ITI-43 address.
    pub url: Url,
    /// An address that answers 200 while the node can serve; without it an ITI-43 for a document
    /// that nobody has is the probe.
    pub status_url: Option<Url>,
    /// Where a Care Record node can be searched inside: `/peer/search` beside `url` unless given.
    pub search_url: Option<Url>,
}

/// The `credentials` of a node. Secrets are in files of their own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Credentials {
    /// HTTP Basic.
    Basic {
        /// The user.
        user: String,
        /// A file with the password.
        password_file: PathBuf,
    },
    /// A bearer token.
    Bearer {
        /// A file with the token.
        token_file: PathBuf,
    },
    /// A TLS client certificate.
    Certificate {
        /// A file with the certificate, its chain and its key (PEM).
        identity_file: PathBuf,
    },
}

impl Directory {
    /// Reads a file, and checks that the portal can use it.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let mut directory: Self = carerecord_service::config::read_toml(file)?;
        if let Some(base) = file.parent() {
            directory.base = base.to_owned();
        }
        directory.validate().with_context(|| format!("{} cannot be used", file.display()))?;
        Ok(directory)
    }

    fn validate(&self) -> anyhow::Result<()> {
        // A file that was emptied by mistake must not empty the portal.
        ensure!(!self.nodes.is_empty(), "it names no node");
        let mut ids = HashSet::new();
        for node in &self.nodes {
            ensure!(ids.insert(&node.id), "node {} is there twice", node.id);
            node.validate().with_context(|| format!("node {}", node.id))?;
        }
        Ok(())
    }

    /// The files beside it that it relies on.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for node in &self.nodes {
            files.extend(node.authority_file.as_ref().map(|file| self.base.join(file)));
            files.extend(node.credentials.as_ref().map(|c| self.base.join(c.file())));
        }
        files
    }
}

impl NodeSection {
    fn validate(&self) -> anyhow::Result<()> {
        self.limits.validate().map_err(anyhow::Error::msg)?;
        ensure!(!self.name.trim().is_empty(), "name is empty");
        let mut seen = HashSet::new();
        for endpoint in &self.endpoints {
            ensure!(seen.insert(&endpoint.url), "endpoint {} is there twice", endpoint.url);
            if self.kind == Kind::XdsB && endpoint.search_url.is_some() {
                bail!("search_url is for kind = \"care-record\": XDS.b has no such transaction");
            }
            let more = [&endpoint.status_url, &endpoint.search_url];
            for url in more.into_iter().flatten().chain([&endpoint.url]) {
                is_safe(url)?;
            }
        }
        if self.endpoints.is_empty()
            && (self.credentials.is_some() || self.authority_file.is_some())
        {
            bail!("credentials without endpoints: a node of this process needs none");
        }
        Ok(())
    }
}

impl EndpointSection {
    /// Where a node of this kind is searched inside.
    pub fn search(&self, kind: Kind) -> Option<Url> {
        match kind {
            Kind::XdsB => None,
            Kind::CareRecord => {
                self.search_url.clone().or_else(|| self.url.join("/peer/search").ok())
            }
        }
    }
}

impl Credentials {
    fn file(&self) -> &Path {
        match self {
            Self::Basic { password_file: file, .. }
            | Self::Bearer { token_file: file }
            | Self::Certificate { identity_file: file } => file,
        }
    }
}

/// What is said to a node is about patients: it goes by TLS, or does not leave the machine.
pub fn is_safe(url: &Url) -> anyhow::Result<()> {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => bail!("{url} names no host"),
    };
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "an address must not hold a user or password: use credentials"
    );
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => bail!("{url} is neither https nor on this machine"),
        other => bail!("{other} is no way to a node: use https"),
    }
}
