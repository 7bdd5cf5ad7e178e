use std::net::TcpListener;

/// Ports of this machine that nobody uses just now, all different.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The first of ten free ports in a row.
pub fn ten_ports() -> u16 {
    for _ in 0..100 {
        let first = free_ports(1)[0];
        let row = first.checked_add(9).map(|last| first..=last);
        let held: Option<Vec<TcpListener>> =
            row.and_then(|row| row.map(|p| TcpListener::bind(("127.0.0.1", p)).ok()).collect());
        if held.is_some() {
            return first;
        }
    }
    panic!("no ten free ports in a row");
}
