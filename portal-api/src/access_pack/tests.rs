use std::os::unix::fs::PermissionsExt as _;

use carerecord_access::SystemCaller;
use carerecord_model::{IdSource as _, RandomIds, SystemClock};
use carerecord_sealing::{DataKey, FileKeys};
use carerecord_storage::Database;
use carerecord_testkit::unzip;
use futures_util::TryStreamExt as _;
use uuid::Uuid;

use super::store::PackStore;
use super::*;

#[tokio::test]
async fn a_zip_file_has_what_was_written_and_nothing_that_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = (store(&folder.path().join("packs")), Uuid::from_u128(1));
    std::fs::write(store.partial(id), "of a run that was broken off").unwrap();
    let mut zip = store.begin(id, 1 << 20).await.unwrap();
    let long = vec![7; 300_000];

    zip.file("one.txt", b"one").await.unwrap();
    let mut broken = zip.entry("broken.bin").await.unwrap();
    zip.write(&mut broken, &long).await.unwrap();
    assert!(!zip.has_room(800_000, 16), "what is put aside counts");
    zip.leave_out(broken);
    let mut two = zip.entry("two.bin").await.unwrap();
    for part in long.chunks(1_000) {
        zip.write(&mut two, part).await.unwrap();
    }
    zip.end(two).await.unwrap();
    zip.file("empty", b"").await.unwrap();
    assert!(!zip.has_room(800_000, 16) && zip.has_room(600_000, 16) && !zip.has_room(600_000, 4));
    assert!(zip.has_place());
    let hashes = zip.hashes();
    let size = zip.finish().await.unwrap();

    store.complete(id).await.unwrap();
    let bytes = all_of(store.bytes(id, size).await.unwrap()).await;
    assert_eq!(bytes.len() as u64, size);
    let files = unzip(&bytes);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["empty", "one.txt", "two.bin"]);
    assert_eq!((files["one.txt"].as_slice(), &files["two.bin"]), (&b"one"[..], &long));
    assert_eq!(hashes.keys().collect::<Vec<_>>(), ["empty", "one.txt", "two.bin"]);
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hashes["empty"], of_nothing);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("packs")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left of what was put aside");
    let mode = left[0].as_ref().unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn nothing_on_the_disk_can_be_read_or_altered() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("packs");
    let store = store(&place);
    let letter = b"A letter about Ada Okafor. ".repeat(20_000);
    let mut sizes = Vec::new();
    for n in [1, 2] {
        let mut zip = store.begin(Uuid::from_u128(n), 16 << 20).await.unwrap();
        let mut entry = zip.entry("letter.txt").await.unwrap();
        zip.write(&mut entry, &letter).await.unwrap();
        zip.end(entry).await.unwrap();
        sizes.push(zip.finish().await.unwrap());
        store.complete(Uuid::from_u128(n)).await.unwrap();
        store.keep(&pack(n, Timestamp::from_second(10).unwrap())).await.unwrap();
    }
    for file in std::fs::read_dir(&place).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for words in ["Okafor", "letter.txt", "9990001006", "ZEX01"] {
            assert!(!bytes.windows(words.len()).any(|part| part == words.as_bytes()), "{words}");
        }
    }

    let (id, size) = (Uuid::from_u128(1), sizes[0]);
    let path = |n: u128, ending: &str| place.join(format!("{}.{ending}", Uuid::from_u128(n)));
    let whole = std::fs::read(path(1, "pack")).unwrap();
    let other = std::fs::read(path(2, "pack")).unwrap();
    let piece = (64 << 10) + 16;
    let head = whole.len() % piece - size as usize % (64 << 10) - 16;
    let (first, second) = (head..head + piece, head + piece..head + 2 * piece);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let swapped = [&whole[..head], &whole[second], &whole[first], &whole[head + 2 * piece..]];
    let wrong = [
        flipped(0),
        flipped(head - 1),
        flipped(head),
        flipped(whole.len() - 1),
        swapped.concat(),
        whole[..whole.len() - 1].to_vec(),
        whole[..head + 2 * piece].to_vec(),
        whole[..head].to_vec(),
        whole[..10].to_vec(),
        Vec::new(),
        [&whole[..], b"x"].concat(),
        [&whole[..head], &other[head..]].concat(),
        other,
    ];
    for (n, bytes) in wrong.into_iter().enumerate() {
        std::fs::write(path(1, "pack"), bytes).unwrap();
        let Err(error) = store.bytes(id, size).await else { panic!("{n}") };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{n}: {error}");
    }
    std::fs::write(path(1, "pack"), &whole).unwrap();
    assert!(store.bytes(id, size - 1).await.is_err(), "what is known of it says another size");
    assert_eq!(all_of(store.bytes(id, size).await.unwrap()).await.len() as u64, size);

    std::fs::copy(path(2, "state"), path(1, "state")).unwrap();
    assert_eq!(store.pack(id).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let stolen = PackStore::open(&place, keys(2)).unwrap();
    assert_eq!(
        stolen.pack(Uuid::from_u128(2)).await.unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    assert!(stolen.bytes(id, size).await.is_err());
}

#[tokio::test]
async fn what_nobody_can_fetch_is_swept_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("packs");
    let store = store(&place);
    let mode = std::fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let at = |second| Timestamp::from_second(second).unwrap();
    for (n, until) in [(1, 10), (2, 30), (3, 10)] {
        store.keep(&pack(n, at(until))).await.unwrap();
        std::fs::write(store.partial(Uuid::from_u128(n)), "part").unwrap();
    }
    let orphan = place.join(format!("{}.pack", Uuid::from_u128(4)));
    std::fs::write(&orphan, "of one that was removed meanwhile").unwrap();
    let garbled = place.join(format!("{}.state", Uuid::from_u128(5)));
    std::fs::write(&garbled, "{").unwrap();
    // As they were before packs were encrypted.
    let plain =
        ["json", "zip"].map(|ending| place.join(format!("{}.{ending}", Uuid::from_u128(6))));
    std::fs::write(&plain[0], "{\"expires_at\": \"2999-01-01T00:00:00Z\"}").unwrap();
    std::fs::write(&plain[1], "a letter").unwrap();
    // The first that is looked at cannot be removed.
    std::fs::create_dir(place.join(format!("{}.pack", Uuid::from_u128(0)))).unwrap();

    store.sweep(at(20), |id| id == Uuid::from_u128(3)).await.unwrap();

    let left: Vec<Uuid> = store.all().await.unwrap().iter().map(|pack| pack.id).collect();
    assert_eq!(left, [Uuid::from_u128(3), Uuid::from_u128(2)], "2 is kept, and 3 is being made");
    assert!(!orphan.exists() && !garbled.exists());
    assert!(!plain[0].exists() && !plain[1].exists());
    assert!(store.partial(Uuid::from_u128(3)).exists());
    assert!(!store.partial(Uuid::from_u128(2)).exists(), "nobody goes on with it");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 4);
}

#[tokio::test]
async fn a_pack_whose_asker_goes_away_is_made_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let packs = packs(&folder, AccessPackConfig::default()).await.unwrap();
    let mut jobs = packs.0.jobs.lock().unwrap().take().unwrap();
    let id = Uuid::from_u128(1);
    let caller = Caller::System(SystemCaller {
        name: "s".to_owned(),
        organisation: "ZEX01".parse().unwrap(),
        rights: Vec::new(),
        known_by: "certificate",
    });
    let audit = AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "portal", "fhir");
    let patient = "9990001006".parse().unwrap();
    let (reason, reference, purpose) = (None, None, Purpose::Audit);
    let wanted = Wanted { id, caller, purpose, patient, reason, reference, audit };

    assert!(packs.ask(wanted).now_or_never().is_none(), "it is given up");

    let waiting = tokio::time::timeout(std::time::Duration::from_secs(20), jobs.recv());
    let job = waiting.await.unwrap().unwrap();
    let kept = packs.pack(id, &job.pack.owner).await.unwrap().unwrap();
    assert!(job.pack.id == id && kept.progress.is_some());
}

#[tokio::test]
async fn the_room_of_all_has_as_many_as_are_made_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = |max_total_mib| AccessPackConfig {
        at_once: 2,
        max_mib: 4,
        max_total_mib,
        ..AccessPackConfig::default()
    };
    assert!(packs(&folder, config(7)).await.is_err());
    let packs = packs(&folder, config(8)).await.unwrap();
    std::fs::write(packs.0.store.partial(Uuid::from_u128(9)), vec![0; 1 << 20]).unwrap();
    let one = packs.reserve(Uuid::from_u128(1)).await.unwrap().unwrap();
    let two = packs.reserve(Uuid::from_u128(2)).await.unwrap().unwrap();
    assert_eq!((one.most, two.most), (4 << 20, 3 << 20), "what was there counts");
    assert!(packs.reserve(Uuid::from_u128(3)).await.unwrap().is_none());
    drop(two);
    assert!(packs.reserve(Uuid::from_u128(3)).await.unwrap().is_some());
}

async fn packs(folder: &tempfile::TempDir, config: AccessPackConfig) -> io::Result<AccessPacks> {
    let database = Database::open(&folder.path().join("portal.db")).await.unwrap();
    let key: PackKey = Arc::new(|| Err("there is none".to_owned()));
    let (log, clock) = (AuditLog::new(database), Arc::new(SystemClock));
    AccessPacks::open(config, &folder.path().join("packs"), keys(1), key, log, clock)
}

fn store(place: &Path) -> PackStore {
    PackStore::open(place, keys(1)).unwrap()
}

fn keys(byte: u8) -> Arc<dyn KeyWrapper> {
    let key = DataKey::from_slice(&[byte; 32]).map(|key| ("portal".to_owned(), key));
    Arc::new(FileKeys::new(Some("portal".to_owned()), key).unwrap())
}

async fn all_of(bytes: ByteStream<io::Error>) -> Vec<u8> {
    let parts: Vec<_> = bytes.try_collect().await.unwrap();
    parts.concat()
}

fn pack(n: u128, expires_at: Timestamp) -> Pack {
    let owner = serde_json::from_str(r#"{"id": "1", "organisation": "ZEX01", "role": "R0001"}"#);
    Pack {
        id: Uuid::from_u128(n),
        owner: owner.unwrap(),
        patient: "9990001006".parse().unwrap(),
        reason: None,
        reference: None,
        asked_at: Timestamp::from_second(n as i64).unwrap(),
        expires_at,
        stage: Stage::Making,
        progress: None,
    }
}
