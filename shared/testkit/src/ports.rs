use std::net::{TcpListener, UdpSocket};
use std::ops::Range;

/// Ports of this machine that nobody uses, and that no other test is given while this process
/// lives.
pub fn free_ports(count: usize) -> Vec<u16> {
    let first = reserve();
    (first..first + u16::try_from(count).expect("few ports")).collect()
}

/// The first of ten free ports in a row.
pub fn ten_ports() -> u16 {
    reserve()
}

/// Takes a block of ports, below those that the system gives out by itself. The block is this
/// process's as long as the last of its ports is held, by UDP, which no server here uses.
fn reserve() -> u16 {
    let blocks = (RANGE.end - RANGE.start) / BLOCK;
    // Processes begin at different places, so that they seldom ask for the same block.
    let offset = u16::try_from(std::process::id() % u32::from(blocks)).expect("below a u16");
    for n in 0..blocks {
        let first = RANGE.start + (offset + n) % blocks * BLOCK;
        let Ok(guard) = UdpSocket::bind(("127.0.0.1", first + BLOCK - 1)) else { continue };
        let free = (first..first + BLOCK - 1).all(|p| TcpListener::bind(("127.0.0.1", p)).is_ok());
        if free {
            // Until the process ends.
            std::mem::forget(guard);
            return first;
        }
    }
    panic!("no free ports");
}

const RANGE: Range<u16> = 20_000..32_000;
const BLOCK: u16 = 32;
