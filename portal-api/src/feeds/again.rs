//! Submissions that were refused, tried again by who runs the programme when the reason is mended.

use std::collections::HashMap;
use std::sync::Arc;

use carerecord_model::{PortError, RefusedSubmissions, TriedAgain};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::Portal;

/// A submission that a node keeps.
pub(super) struct Kept {
    pub until: Timestamp,
    node: Arc<dyn RefusedSubmissions>,
}

/// What came of trying the submission of a request again.
pub(crate) struct Again {
    pub request: String,
    pub done: Result<TriedAgain, PortError>,
}

impl Portal {
    /// What nodes keep of refused submissions, by the id of the request. One that cannot be asked, or
    /// is of an earlier release, keeps none as far as is known.
    pub(super) async fn kept_refusals(&self) -> HashMap<String, Kept> {
        let members = self.federation.members();
        let asked = members.iter().filter_map(|member| member.refused.clone()).map(|node| async {
            let kept = self.within(node.kept_refusals()).await;
            if let Err(error) = &kept {
                tracing::debug!(%error, "a node does not tell of refused submissions");
            }
            (node, kept.unwrap_or_default())
        });
        let mut all = HashMap::new();
        for (node, kept) in join_all(asked).await {
            for one in kept {
                all.insert(one.request, Kept { until: one.until, node: node.clone() });
            }
        }
        all
    }

    /// Has the nodes that keep them try these submissions again, one after the other: a later one may
    /// need an earlier one.
    pub(crate) async fn try_again(&self, requests: Vec<String>) -> Vec<Again> {
        let kept = self.kept_refusals().await;
        let mut all = Vec::with_capacity(requests.len());
        for request in requests {
            let done = match kept.get(&request) {
                Some(kept) => self.within(kept.node.try_again(&request)).await,
                None => self.try_anywhere(&request).await,
            };
            all.push(Again { request, done });
        }
        all
    }

    /// The same of one that no node has told of: it may be one of very many, or the node of it silent.
    async fn try_anywhere(&self, request: &str) -> Result<TriedAgain, PortError> {
        let mut done = Ok(TriedAgain::Gone);
        for node in self.federation.members().iter().filter_map(|member| member.refused.clone()) {
            match self.within(node.try_again(request)).await {
                Ok(TriedAgain::Gone) => {}
                Ok(tried) => return Ok(tried),
                Err(error) => done = Err(error),
            }
        }
        done
    }
}
