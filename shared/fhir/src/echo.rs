/// The name of a parameter or element as far as an error may repeat it. What looks unlike a name
/// can hold anything, a patient's number too, and is not repeated.
pub(crate) fn safe_name(name: &str) -> String {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b':' | b'-' | b'_'));
    if fits { name.to_owned() } else { "(not a name)".to_owned() }
}

const MAX_NAME: usize = 48;
