//! The bytes that go with a submission's entries.

use std::collections::HashMap;

use carerecord_model::ObjectId;

use super::{Making, ProvidedDocument};
use crate::Format;
use crate::provide::at::At;
use crate::provide::bundle::{Item, Slot};
use crate::provide::values::bytes;

impl<'a> Making<'_, 'a> {
    /// The bytes that go with entries; with each, the entry of the Bundle that holds them.
    pub(super) fn documents(&mut self) -> (Vec<(usize, ProvidedDocument)>, Vec<Vec<u8>>) {
        let (mut documents, mut contents) = (Vec::new(), Vec::new());
        let mut decoded: HashMap<usize, usize> = HashMap::new();
        let all: Vec<(ObjectId, At<'a>)> =
            self.items(Slot::Document).into_iter().map(|(id, at)| (id.clone(), at)).collect();
        for (id, resource) in all {
            let Some(content) = resource.first("content") else { continue };
            let attachment = content.get("attachment");
            self.problems.forbid(&attachment, &["data"]);
            let url = attachment.text("url").and_then(|url| self.bundle.at_url(url));
            let holder = url.and_then(|n| Some((n, self.bundle.items.get(n)?)));
            let Some((n, holder)) = holder.filter(|(_, item)| holds_document(item)) else {
                let what = "It must be the fullUrl of a Binary or document of the Bundle.";
                self.problems.add("not-found", &attachment.get("url"), what);
                continue;
            };
            self.check_type(holder, &attachment);
            let content = match decoded.get(&n) {
                Some(content) => *content,
                None => {
                    contents.push(self.content(n, holder));
                    decoded.insert(n, contents.len() - 1);
                    contents.len() - 1
                }
            };
            documents.push((n, ProvidedDocument { entry: id, content }));
        }
        for (n, item) in self.bundle.items.iter().enumerate() {
            if holds_document(item) && !decoded.contains_key(&n) {
                let what = "No DocumentReference is of this document.";
                self.problems.add("business-rule", &item.entry, what);
            }
        }
        (documents, contents)
    }

    /// A Binary has the attachment's type. A FHIR document is kept in the form of the message, and
    /// nobody can know its size or hash before. MHD 3.2, 3.4.
    fn check_type(&mut self, holder: &Item<'_>, attachment: &At<'_>) {
        let own = attachment.text("contentType");
        if holder.slot == Slot::FhirDocument {
            let format = own.and_then(Format::of_content_type);
            if format != Some(self.known.fhir_documents.format) {
                let what = "It must be that of the message, application/fhir+json or +xml.";
                self.problems.add("invalid", &attachment.get("contentType"), what);
            }
            self.problems.forbid(attachment, &["size", "hash"]);
        } else if holder.resource.text("contentType") != own {
            let what = "It must be the attachment's.";
            self.problems.add("invalid", &holder.resource.get("contentType"), what);
        }
    }

    fn content(&mut self, n: usize, holder: &Item<'_>) -> Vec<u8> {
        if holder.slot == Slot::FhirDocument {
            let bytes = self.known.fhir_documents.bytes.get(&n);
            if bytes.is_none() {
                self.problems.add("not-supported", &holder.resource, "It cannot be kept.");
            }
            return bytes.cloned().unwrap_or_default();
        }
        self.decoded(&holder.resource)
    }

    fn decoded(&mut self, binary: &At<'_>) -> Vec<u8> {
        let data = binary.get("data");
        let Some(text) = binary.text("data") else {
            self.problems.missing(&data);
            return Vec::new();
        };
        let content = bytes(text);
        if content.is_none() {
            self.problems.add("invalid", &data, "It is not base64.");
        }
        content.unwrap_or_default()
    }
}

/// Whether an entry is a document, and not what is said of one.
fn holds_document(item: &Item<'_>) -> bool {
    matches!(item.slot, Slot::Binary | Slot::FhirDocument)
}
