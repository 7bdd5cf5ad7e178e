//! Stores elsewhere than on this machine: S3 and compatibles, and by options those of Azure and
//! Google.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig,
};
use url::Url;

use super::Objects;
use super::upload::PutRules;

/// Where a store is and how it is spoken to.
pub struct RemoteStore {
    /// `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX`.
    pub url: Url,
    /// The address of the server, where it is not the provider's own.
    pub endpoint: Option<Url>,
    /// S3: the region that requests are signed for.
    pub region: Option<String>,
    /// S3: whether the bucket stands in the path of an address, not in the host's name.
    pub path_style: bool,
    /// Certificates to trust besides the system's, as PEM.
    pub certificates: Option<Vec<u8>>,
    /// What the store is further told, by the names that `object_store` has for it; secrets too.
    pub options: Vec<(String, String)>,
    /// Whether the store can be told not to replace an object.
    pub conditional_writes: bool,
    /// How long the store may say nothing, also while it takes a part.
    pub silence: Duration,
    /// For how long a request that fails is sent again.
    pub patience: Duration,
}

/// Why a store cannot be used. Names options, never their values.
#[derive(Debug, thiserror::Error)]
pub enum RemoteStoreError {
    /// The address is of another kind.
    #[error("storage.url is not s3://BUCKET, az://CONTAINER or gs://BUCKET")]
    Scheme,
    /// This kind of store has no such option.
    #[error("this kind of store has no option {0}")]
    Option(String),
    /// The endpoint is not encrypted and not on this machine.
    #[error("storage.endpoint is not https://, and not on this machine")]
    Clear,
    /// The certificates cannot be read, or something is missing.
    #[error("the object store is not described well enough")]
    Store(#[source] object_store::Error),
}

impl Objects {
    /// Objects in a store elsewhere. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When it is not told well enough where the store is.
    pub fn remote(store: RemoteStore) -> Result<Self, RemoteStoreError> {
        let plain = store.url.query().is_none() && store.url.password().is_none();
        let parsed = ObjectStoreScheme::parse(&store.url).ok().filter(|_| plain);
        let (scheme, prefix) = parsed.ok_or(RemoteStoreError::Scheme)?;
        let opened: Arc<dyn ObjectStore> = match (store.url.scheme(), scheme) {
            ("s3", ObjectStoreScheme::AmazonS3) => Arc::new(PrefixStore::new(store.s3()?, prefix)),
            ("az", ObjectStoreScheme::MicrosoftAzure) => {
                Arc::new(PrefixStore::new(store.azure()?, prefix))
            }
            ("gs", ObjectStoreScheme::GoogleCloudStorage) => {
                Arc::new(PrefixStore::new(store.google()?, prefix))
            }
            _ => return Err(RemoteStoreError::Scheme),
        };
        let rules = PutRules { part_bytes: PART_BYTES, creates: store.conditional_writes };
        Ok(Self { store: opened, folder: None, rules, keys: None })
    }
}

impl RemoteStore {
    fn s3(&self) -> Result<impl ObjectStore, RemoteStoreError> {
        let mut builder = AmazonS3Builder::new()
            .with_url(self.url.as_str())
            .with_virtual_hosted_style_request(!self.path_style)
            .with_retry(self.retry())
            .with_client_options(self.client()?);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        for (name, value) in &self.options {
            let key: AmazonS3ConfigKey = known(name)?;
            builder = builder.with_config(key, value);
        }
        builder.build().map_err(RemoteStoreError::Store)
    }

    fn azure(&self) -> Result<impl ObjectStore, RemoteStoreError> {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_url(self.url.as_str())
            .with_retry(self.retry())
            .with_client_options(self.client()?);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
        }
        for (name, value) in &self.options {
            builder = builder.with_config(known(name)?, value);
        }
        builder.build().map_err(RemoteStoreError::Store)
    }

    fn google(&self) -> Result<impl ObjectStore, RemoteStoreError> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_url(self.url.as_str())
            .with_retry(self.retry())
            .with_client_options(self.client()?);
        for (name, value) in &self.options {
            builder = builder.with_config(known(name)?, value);
        }
        builder.build().map_err(RemoteStoreError::Store)
    }

    fn client(&self) -> Result<ClientOptions, RemoteStoreError> {
        // A long document takes its time: what is limited is how long nothing comes.
        let mut options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout_disabled()
            .with_read_timeout(self.silence)
            .with_allow_http(self.may_be_clear()?);
        if let Some(pem) = &self.certificates {
            let all = Certificate::from_pem_bundle(pem).map_err(RemoteStoreError::Store)?;
            options = all.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        Ok(options)
    }

    /// Unencrypted only on this machine.
    fn may_be_clear(&self) -> Result<bool, RemoteStoreError> {
        let Some(endpoint) = self.endpoint.as_ref().filter(|e| e.scheme() != "https") else {
            return Ok(false);
        };
        let here = match endpoint.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if here { Ok(true) } else { Err(RemoteStoreError::Clear) }
    }

    /// A request is repeated for some seconds; then the caller is told, who can come again.
    fn retry(&self) -> RetryConfig {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        };
        RetryConfig { backoff, max_retries: RETRIES, retry_timeout: self.patience }
    }
}

fn known<K: std::str::FromStr>(name: &str) -> Result<K, RemoteStoreError> {
    let lower = name.to_ascii_lowercase();
    lower.parse().map_err(|_| RemoteStoreError::Option(name.to_owned()))
}

const RETRIES: usize = 5;
const CONNECT: Duration = Duration::from_secs(5);
/// The least that S3 takes, 10,000 times: documents of up to 48 GiB.
const PART_BYTES: usize = 5 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn store(url: &str, endpoint: Option<&str>, options: &[(&str, &str)]) -> RemoteStore {
        carerecord_testkit::install_crypto();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        RemoteStore {
            url: url.parse().unwrap(),
            endpoint: endpoint.map(|e| e.parse().unwrap()),
            certificates: None,
            options: options.iter().map(owned).collect(),
            region: None,
            path_style: true,
            conditional_writes: true,
            silence: Duration::from_secs(1),
            patience: Duration::from_secs(1),
        }
    }

    #[test]
    fn each_kind_of_store_is_opened_by_its_address() {
        let key = "c2VjcmV0";
        let azure = [("azure_storage_account_name", "a"), ("azure_storage_account_key", key)];
        for (url, options) in [
            ("s3://bucket/prefix", &[("region", "eu-west-2")] as &[_]),
            ("s3://bucket", &[]),
            ("az://container/prefix", &azure),
            ("gs://bucket/prefix", &[]),
        ] {
            let opened = Objects::remote(store(url, None, options));
            assert!(opened.is_ok(), "{url}: {:?}", opened.err());
        }
        for url in ["ftp://host/path", "https://s3.example/bucket", "s3://bucket?x=y", "file:///a"]
        {
            let other = Objects::remote(store(url, None, &[]));
            assert!(matches!(other, Err(RemoteStoreError::Scheme)), "{url}");
        }
    }

    #[test]
    fn an_option_that_is_not_known_is_named_without_its_value() {
        let opened = Objects::remote(store("s3://bucket", None, &[("secret_kye", "hush")]));

        let error = opened.err().unwrap();

        assert!(matches!(error, RemoteStoreError::Option(_)));
        assert!(error.to_string().contains("secret_kye") && !format!("{error:?}").contains("hush"));
    }

    #[test]
    fn an_endpoint_in_the_clear_is_on_this_machine() {
        for (endpoint, clear) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/", true),
            ("http://store.example", false),
        ] {
            let opened = Objects::remote(store("s3://bucket", Some(endpoint), &[]));
            assert_eq!(opened.is_ok(), clear, "{endpoint}");
        }
        assert!(Objects::remote(store("s3://b", Some("https://store.example"), &[])).is_ok());
    }
}
