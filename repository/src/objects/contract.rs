//! What every store must do: one list of tests on files and on a server of the S3 protocol.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_codec::mtom::MtomError;
use carerecord_model::{ByteRange, IdSource as _, RandomIds};
use carerecord_sealing::{DataKey, FileKeys};
use carerecord_testkit::{S3Fault, S3Server};
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::{ObjectError, Objects, RemoteStore, StoredObject};
use crate::integrity::Fault;

/// A store with what keeps it there.
struct Place {
    objects: Objects,
    folder: Option<TempDir>,
    server: Option<S3Server>,
}

impl Place {
    fn files() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::local(folder.path()).unwrap();
        Self { objects, folder: Some(folder), server: None }
    }

    /// The same, encrypted.
    fn sealed(self) -> Self {
        let key = DataKey::from_slice(&[7; 32]).unwrap();
        let keys = FileKeys::new(Some("a".to_owned()), [("a".to_owned(), key)]).unwrap();
        Self { objects: self.objects.with_keys(Arc::new(keys)), ..self }
    }

    async fn s3() -> Self {
        let server = S3Server::start().await;
        Self { objects: open(&server, true), folder: None, server: Some(server) }
    }

    /// How many files there are, complete or not.
    fn count(&self) -> usize {
        match (&self.folder, &self.server) {
            (Some(folder), _) => carerecord_testkit::files(folder.path()).len(),
            (None, Some(server)) => server.objects().len(),
            (None, None) => 0,
        }
    }
}

/// Waits as long as a busy machine may need.
fn open(server: &S3Server, conditional_writes: bool) -> Objects {
    let (silence, patience) = (Duration::from_secs(30), Duration::from_secs(60));
    open_with(server, conditional_writes, silence, patience)
}

/// Gives up soon.
fn open_impatient(server: &S3Server) -> Objects {
    open_with(server, true, Duration::from_millis(700), Duration::from_millis(1500))
}

fn open_with(
    server: &S3Server,
    conditional_writes: bool,
    silence: Duration,
    patience: Duration,
) -> Objects {
    let options =
        [("access_key_id", S3Server::ACCESS_KEY), ("secret_access_key", S3Server::SECRET)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Objects::remote(RemoteStore {
        url: format!("s3://{}/node/one", S3Server::BUCKET).parse().unwrap(),
        endpoint: Some(server.endpoint().parse().unwrap()),
        region: Some("eu-west-2".to_owned()),
        path_style: true,
        certificates: None,
        options: options.to_vec(),
        conditional_writes,
        silence,
        patience,
    })
    .unwrap()
}

/// One list of tests, for each kind of store.
macro_rules! wherever_it_stores {
    ($($test:ident),+ $(,)?) => {
        mod files {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Place::files()).await;
            })+
        }

        mod s3 {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Place::s3().await).await;
            })+
        }

        mod sealed_files {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Place::files().sealed()).await;
            })+
        }

        mod sealed_s3 {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Place::s3().await.sealed()).await;
            })+
        }
    };
}

wherever_it_stores![
    what_is_put_is_read_byte_for_byte,
    ranges_are_what_they_say,
    what_breaks_off_or_is_too_long_leaves_nothing,
    what_is_deleted_is_gone,
    the_store_lists_what_it_has,
];

async fn what_is_put_is_read_byte_for_byte(place: Place) {
    for size in [0, 1, 50_000, (1 << 20) + 1, 8 << 20, (17 << 20) + 5] {
        let document = document(size);

        let object = put(&place.objects, &document).await.unwrap();

        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &document);
        assert_eq!((object.size, &object.sha256), (size as u64, &super::hex(digest.as_ref())));
        assert!(place.objects.has(&object).await.unwrap());
        assert!(read(&place.objects, &object, None).await.unwrap() == document, "{size}");
        assert!(!place.objects.has(&StoredObject { size: 77, ..object }).await.unwrap());
    }
}

async fn ranges_are_what_they_say(place: Place) {
    let document = document((9 << 20) + 100);
    let object = put(&place.objects, &document).await.unwrap();
    let last = document.len() as u64 - 1;
    for (start, end) in [(0, 0), (0, last), (last, last), ((8 << 20) - 1, 8 << 20), (5, 70_000)] {
        let range = ByteRange { start, end };

        let bytes = read(&place.objects, &object, Some(range)).await.unwrap();

        assert!(bytes == document[start as usize..=end as usize], "{start}-{end}");
    }
}

async fn what_breaks_off_or_is_too_long_leaves_nothing(place: Place) {
    for size in [10, 20 << 20] {
        let document = document(size);
        let broken = pieces(&document).chain(stream::iter([Err(MtomError::Incomplete)]));
        let error = place.objects.put(RandomIds.random(), Box::pin(broken), u64::MAX).await;
        assert!(matches!(error, Err(ObjectError::Source(_))));

        let limit = size as u64 - 1;
        let error = place.objects.put(RandomIds.random(), pieces(&document), limit).await;
        assert!(matches!(error, Err(ObjectError::TooLong(l)) if l == limit));
    }
    assert_eq!(place.count(), 0);
}

async fn what_is_deleted_is_gone(place: Place) {
    let object = put(&place.objects, b"a letter").await.unwrap();

    for _ in 0..2 {
        place.objects.delete(&object.key).await.unwrap();
    }

    let error = read(&place.objects, &object, None).await.unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Missing));
    assert!(!place.objects.has(&object).await.unwrap());
    assert_eq!(place.count(), 0);
}

async fn the_store_lists_what_it_has(place: Place) {
    place.objects.probe().await.unwrap();
    let mut keys = Vec::new();
    for n in 0..5u8 {
        keys.push(put(&place.objects, &[n; 100]).await.unwrap().key);
    }

    let listed: Vec<_> = place.objects.list().try_collect().await.unwrap();

    let mut listed: Vec<_> = listed.iter().map(|o| o.location.to_string()).collect();
    keys.sort();
    listed.sort();
    assert_eq!(listed, keys);
}

#[tokio::test]
async fn what_is_encrypted_is_read_by_its_key_only() {
    let place = Place::files();
    let folder = place.folder.as_ref().unwrap().path();
    let keys = |current: Option<&str>, all: &[(&str, u8)]| {
        let key = |(id, byte): &(&str, u8)| {
            ((*id).to_owned(), DataKey::from_slice(&[*byte; 32]).unwrap())
        };
        let keys = FileKeys::new(current.map(str::to_owned), all.iter().map(key)).unwrap();
        Objects::local(folder).unwrap().with_keys(Arc::new(keys))
    };
    let letter = b"nobody may read this who has the disk".repeat(5000);
    let old = keys(Some("old"), &[("old", 1)]);
    let object = put(&old, &letter).await.unwrap();
    assert_eq!(object.wrapped.as_ref().unwrap().key_id, "old");
    for file in carerecord_testkit::files(folder) {
        let bytes = std::fs::read(file).unwrap();
        assert!(memchr::memmem::find(&bytes, b"nobody").is_none());
    }

    let both = keys(Some("new"), &[("old", 1), ("new", 2)]);
    assert!(read(&both, &object, None).await.unwrap() == letter);
    assert_eq!(put(&both, &letter).await.unwrap().wrapped.unwrap().key_id, "new");
    let reading = keys(None, &[("old", 1)]);
    assert!(read(&reading, &object, None).await.unwrap() == letter);
    assert_eq!(put(&reading, &letter).await.unwrap().wrapped, None);
    for (without, words) in [
        (Objects::local(folder).unwrap(), "there is no key named old"),
        (keys(Some("new"), &[("new", 2)]), "there is no key named old"),
        (keys(None, &[("old", 9)]), "the key named old is not the one that was used"),
    ] {
        let error = read(&without, &object, None).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.fault()), (words, Some(Fault::NoKey)));
    }
}

#[tokio::test]
async fn what_fails_for_a_moment_is_not_noticed() {
    for conditional in [true, false] {
        let server = S3Server::start().await;
        let objects = open(&server, conditional);
        for fault in [S3Fault::Broken, S3Fault::Forgetful, S3Fault::Cut] {
            for size in [100, 9 << 20] {
                let document = document(size);
                server.fail_times(fault, 1);
                let object = put(&objects, &document).await;
                let object = object.unwrap_or_else(|e| panic!("{fault:?} {size}: {e}"));
                server.fail_times(fault, 1);
                let bytes = read(&objects, &object, None).await;
                assert!(bytes.unwrap() == document, "{fault:?} {size}");
            }
        }
        assert_eq!(server.objects().len(), 6);
    }
}

#[tokio::test]
async fn what_goes_on_failing_is_told_in_time_and_loses_nothing() {
    let place = Place::s3().await;
    let server = place.server.as_ref().unwrap();
    let impatient = open_impatient(server);
    let kept = document(9 << 20);
    let object = put(&place.objects, &kept).await.unwrap();
    for (fault, words) in [
        (S3Fault::Broken, "the object store failed"),
        (S3Fault::Slow(Duration::from_secs(30)), "the object store does not answer in time"),
        (S3Fault::Cut, "the object store broke off"),
    ] {
        server.fail(fault);
        let begun = Instant::now();
        for size in [100, 9 << 20] {
            let error = put(&impatient, &document(size)).await.unwrap_err();
            assert!(!error.is_full() && error.fault().is_none());
            if fault != S3Fault::Cut {
                assert_eq!(error.to_string(), words);
            }
        }
        let error = read(&impatient, &object, None).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.fault()), (words, None));
        assert!(begun.elapsed() < Duration::from_secs(20), "{fault:?}");
        server.repair();
        assert!(read(&place.objects, &object, None).await.unwrap() == kept);
    }
}

#[tokio::test]
async fn a_store_that_is_full_says_so() {
    let place = Place::s3().await;
    let server = place.server.as_ref().unwrap();
    let object = put(&place.objects, b"before").await.unwrap();
    server.fail(S3Fault::Full);

    for size in [100, 9 << 20] {
        let error = put(&place.objects, &document(size)).await.unwrap_err();
        assert!(error.is_full(), "{error}: {error:?}");
        assert_eq!(error.to_string(), "the object store is full");
    }
    assert_eq!(read(&place.objects, &object, None).await.unwrap(), b"before");
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_bucket_are_told() {
    let server = S3Server::start().await;
    let with = |url: &str, secret: &str| {
        let options = [("access_key_id", S3Server::ACCESS_KEY), ("secret_access_key", secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let store = RemoteStore {
            url: url.parse().unwrap(),
            endpoint: Some(server.endpoint().parse().unwrap()),
            region: None,
            path_style: true,
            certificates: None,
            options: options.to_vec(),
            conditional_writes: true,
            silence: Duration::from_secs(1),
            patience: Duration::from_secs(1),
        };
        Objects::remote(store).unwrap()
    };
    with("s3://documents", S3Server::SECRET).probe().await.unwrap();

    let secret = with("s3://documents", "another").probe().await.unwrap_err();
    let bucket = with("s3://elsewhere", S3Server::SECRET).probe().await.unwrap_err();

    assert_eq!(secret, "the object store refuses the credentials");
    assert_eq!(bucket, "the object store has no such bucket or container");
}

/// A conditional write whose name another object has fails, whatever else.
#[tokio::test]
async fn an_object_is_never_replaced() {
    let place = Place::s3().await;
    let id = RandomIds.random();
    let put = |bytes: &'static [u8]| {
        let body = stream::iter([Ok(Bytes::from_static(bytes))]);
        place.objects.put(id, body, u64::MAX)
    };

    let first = put(b"first").await.unwrap();
    let error = put(b"other").await.unwrap_err();

    assert_eq!(error.to_string(), "the object store has another object of the name");
    assert_eq!(read(&place.objects, &first, None).await.unwrap(), b"first");
}

async fn put(objects: &Objects, document: &[u8]) -> Result<StoredObject, ObjectError> {
    objects.put(RandomIds.random(), pieces(document), u64::MAX).await
}

fn pieces(
    document: &[u8],
) -> impl futures_util::Stream<Item = Result<Bytes, MtomError>> + Unpin + use<> {
    let pieces: Vec<_> = document.chunks(70_001).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    stream::iter(pieces)
}

async fn read(
    objects: &Objects,
    object: &StoredObject,
    range: Option<ByteRange>,
) -> Result<Vec<u8>, ObjectError> {
    let mut stream = objects.read(object, range).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
    }
    assert!(stream.next().await.is_none(), "it goes on after its end");
    Ok(bytes)
}

fn document(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}
