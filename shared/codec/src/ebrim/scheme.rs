//! The UUIDs by which XDS tells classifications and identifiers apart. ITI TF-3: 4.2.5.

pub(super) const DE_AUTHOR: &str = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d";
pub(super) const DE_CLASS: &str = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a";
pub(super) const DE_CONFIDENTIALITY: &str = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f";
pub(super) const DE_EVENT: &str = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4";
pub(super) const DE_FORMAT: &str = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d";
pub(super) const DE_FACILITY: &str = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1";
pub(super) const DE_PRACTICE: &str = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead";
pub(super) const DE_TYPE: &str = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983";
pub(super) const DE_PATIENT_ID: &str = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427";
pub(super) const DE_UNIQUE_ID: &str = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";

pub(super) const SS_NODE: &str = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd";
pub(super) const SS_AUTHOR: &str = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d";
pub(super) const SS_CONTENT_TYPE: &str = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500";
pub(super) const SS_PATIENT_ID: &str = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446";
pub(super) const SS_SOURCE_ID: &str = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832";
pub(super) const SS_UNIQUE_ID: &str = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8";

pub(super) const FOLDER_NODE: &str = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2";
pub(super) const FOLDER_CODE: &str = "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5";
pub(super) const FOLDER_PATIENT_ID: &str = "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a";
pub(super) const FOLDER_UNIQUE_ID: &str = "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a";

pub(super) const ASSOCIATION_DOCUMENTATION: &str = "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3";

/// The labels of limited metadata.
pub(super) const DE_LIMITED: &str = "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85";
pub(super) const SS_LIMITED: &str = "urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707";
pub(super) const FOLDER_LIMITED: &str = "urn:uuid:2c144a76-29a9-4b7c-af54-b25409fe7d03";

pub(super) const REFERENCE_ID_LIST: &str = "urn:ihe:iti:xds:2013:referenceIdList";
pub(super) const OFFLINE: &str = "urn:ihe:iti:2010:DocumentAvailability:Offline";
