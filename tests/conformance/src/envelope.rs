//! The body of ITI-41 around a submission.

use std::path::Path;

use anyhow::Context;
use sxd_document::dom::Element;

use crate::dom::{all, attr, local, named, text, write};
use crate::memory::StepLog;

type Body = (String, Vec<(String, Vec<u8>)>);

/// The request with its documents as attachments.
///
/// # Errors
/// When a document cannot be read.
pub fn provide_and_register(
    transaction: &Element<'_>,
    request: &Element<'_>,
    folder: &Path,
    log: &mut StepLog,
) -> anyhow::Result<Body> {
    let mut documents = String::new();
    let mut attachments = Vec::new();
    for (n, document) in named(transaction, "Document").iter().enumerate() {
        let file = text(document);
        let content =
            std::fs::read(folder.join(&file)).with_context(|| format!("cannot read {file}"))?;
        let symbol = attr(document, "id");
        let id = log.assigned_uuids.get(symbol).cloned().unwrap_or_else(|| symbol.to_owned());
        let cid = format!("document{n}@conformance");
        documents.push_str(&format!(
            "<xdsb:Document id=\"{id}\"><xop:Include \
             xmlns:xop=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:{cid}\"/></xdsb:Document>"
        ));
        if let Some(unique_id) = unique_id(request, &id) {
            log.documents.insert(unique_id, content.clone());
        }
        attachments.push((cid, content));
    }
    let body = format!(
        "<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb=\"urn:ihe:iti:xds-b:2007\">\
         {}{documents}</xdsb:ProvideAndRegisterDocumentSetRequest>",
        write(request)?
    );
    Ok((body, attachments))
}

fn unique_id(request: &Element<'_>, id: &str) -> Option<String> {
    let entry =
        all(request).into_iter().find(|e| local(e) == "ExtrinsicObject" && attr(e, "id") == id)?;
    let identifiers = named(&entry, "ExternalIdentifier");
    let unique = identifiers.iter().find(|i| {
        attr(i, "identificationScheme") == "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
    })?;
    Some(attr(unique, "value").to_owned())
}
