use std::collections::BTreeMap;

/// The files of a ZIP file whose files are stored as they are, by name, each held against its checksum.
///
/// # Panics
/// When it is none.
pub fn unzip(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let short = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
    let long = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let end = bytes.len() - 22;
    assert_eq!(long(end), 0x0605_4b50, "no end");
    let (count, mut at) = (short(end + 10), long(end + 16) as usize);
    assert_eq!(at + long(end + 12) as usize, end, "something is between");
    let mut files = BTreeMap::new();
    for _ in 0..count {
        assert_eq!((long(at), short(at + 10)), (0x0201_4b50, 0), "a file's entry");
        let (crc, size, named) = (long(at + 16), long(at + 24) as usize, short(at + 28));
        let name = String::from_utf8(bytes[at + 46..at + 46 + named].to_vec()).unwrap();
        let local = long(at + 42) as usize;
        assert_eq!(bytes[local + 14..local + 26], bytes[at + 16..at + 28], "{name}");
        let begins = local + 30 + short(local + 26) + short(local + 28);
        let content = bytes[begins..begins + size].to_vec();
        let mut sum = flate2::Crc::new();
        sum.update(&content);
        assert_eq!((long(local), sum.sum()), (0x0403_4b50, crc), "{name}");
        assert!(files.insert(name, content).is_none(), "twice");
        at += 46 + named + short(at + 30) + short(at + 32);
    }
    assert_eq!(at, end);
    files
}
