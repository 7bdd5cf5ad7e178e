//! To be filled.
#[cfg_attr(not(test), expect(dead_code, reason = "`carerecord demo` will start it"))]
mod signin;

fn main() {}
