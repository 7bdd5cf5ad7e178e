//! Stored queries (ITI-18, ITI-51) over what may be seen. A query about ids first finds whose
//! records they lie in; each record is opened for the caller, what is withheld is taken out, and
//! the query is then answered from what is left: nothing that is withheld can be counted, or told
//! by what is missing.

mod answer;
mod find;
mod graph;
mod locate;
mod many;

use find::{documents_everywhere, folders_everywhere, matching_documents};
use graph::{Graph, is_seen};
use locate::{locate, named_uuids};
