//! Which process listens on which port, from `/proc/PID/fd` and `/proc/PID/net/tcp` and `tcp6`, see
//! proc_pid_net(5).

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{error::Holder, target};

/// `TCP_LISTEN` of the kernel's `tcp_states.h`, as the tables print it.
const LISTEN: &str = "0A";

/// A table of a busy machine has some 150 bytes per connection; listening sockets come first.
const TABLE_LIMIT_BYTES: u64 = 16 << 20;

/// Descriptors looked at per process, and processes looked at for a holder.
const LOOKS_MAX: usize = 65_536;

/// A listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listener {
    address: SocketAddr,
    inode: u64,
}

impl Listener {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How to reach it over loopback, if at all.
    pub fn loopback(&self) -> Option<SocketAddr> {
        let ip = match self.address.ip().to_canonical() {
            ip if ip.is_loopback() => ip,
            ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.port()))
    }

    /// Whether it keeps others from listening on `127.0.0.1`.
    fn blocks_loopback(&self) -> bool {
        matches!(self.address.ip().to_canonical(), IpAddr::V4(ip) if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST)
            || self.address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

/// The sockets that `pid` listens on.
pub(super) fn of_process(pid: u32) -> Vec<Listener> {
    let inodes = socket_inodes(pid);
    in_namespace_of(pid)
        .into_iter()
        .filter(|listener| inodes.contains(&listener.inode))
        .collect()
}

/// Whether another process keeps `pid` from listening on `127.0.0.1:port`.
pub(super) fn is_taken(pid: u32, port: u16) -> bool {
    !blockers(pid, port).is_empty()
}

/// The other process that holds `port`, if we may see it.
pub(super) fn holder(pid: u32, port: u16) -> Option<Holder> {
    let blockers = blockers(pid, port);
    let others = fs::read_dir("/proc").ok()?.take(LOOKS_MAX);
    let mut others = others.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let pid = others.find(|other| !socket_inodes(*other).is_disjoint(&blockers))?;
    Some(Holder {
        pid,
        command: target::command(pid).join(" "),
    })
}

/// Sockets on `port` that are not of `pid`. Port 0 means any, which is never taken.
fn blockers(pid: u32, port: u16) -> BTreeSet<u64> {
    let own = socket_inodes(pid);
    let all = in_namespace_of(pid).into_iter();
    let blocking = all.filter(|listener| port != 0 && listener.port() == port && listener.blocks_loopback());
    blocking
        .map(|listener| listener.inode)
        .filter(|inode| !own.contains(inode))
        .collect()
}

fn socket_inodes(pid: u32) -> BTreeSet<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .take(LOOKS_MAX);
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter_map(|link| {
            link.to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

fn in_namespace_of(pid: u32) -> Vec<Listener> {
    let tables = ["tcp", "tcp6"].map(|table| read_table(&format!("/proc/{pid}/net/{table}")));
    tables.iter().flat_map(|table| parse_listeners(table)).collect()
}

fn read_table(path: &str) -> String {
    let mut content = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // A table that breaks off still shows what came before.
        let _ = file.take(TABLE_LIMIT_BYTES).read_to_end(&mut content);
    }
    String::from_utf8_lossy(&content).into_owned()
}

fn parse_listeners(table: &str) -> impl Iterator<Item = Listener> {
    // A line that breaks off could show a shorter inode.
    table
        .split_inclusive('\n')
        .filter_map(|line| parse_listener(line.strip_suffix('\n')?))
}

fn parse_listener(line: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace();
    let address = parse_address(fields.nth(1)?)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == LISTEN).then_some(Listener { address, inode })
}

/// `0100007F:2406`, where each group of eight digits is one word in the byte order of the machine.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 154149 1 000000004f62fbac 100 0 0 10 0\n\
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1058 1 00000000388139fa 100 0 0 10 0\n\
   2: 0100007F:07E8 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 77 1 00000000388139fa 100 0 0 10 0\n\
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0  0  0 99 1 0 100\n\
   0: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0  0  0 98 1 0 100\n";

    fn listener(address: &str, inode: u64) -> Listener {
        Listener {
            address: address.parse().expect("an address"),
            inode,
        }
    }

    #[test]
    fn listeners_are_read() {
        let expected = [
            listener("127.0.0.1:9229", 154_149),
            listener("0.0.0.0:2024", 1058),
            listener("[::1]:8080", 99),
            listener("[::ffff:127.0.0.1]:8081", 98),
        ];
        assert_eq!(parse_listeners(TABLE).collect::<Vec<_>>(), expected);
        for end in 0..TABLE.len() {
            assert!(
                expected.starts_with(&parse_listeners(&TABLE[..end]).collect::<Vec<_>>()),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn garbage_is_nobody() {
        for line in [
            "",
            "x",
            "0: zz:1 0:0 0A a b c d 1",
            "0: 0100007F:240D 0:0 0A 1 2 3 4 x",
            "0: 01:1 0:0 0A 1 2 3 4 5",
        ] {
            assert_eq!(parse_listener(line), None, "{line}");
        }
    }

    #[test]
    fn only_loopback_is_reached() {
        for (address, reached, blocks) in [
            ("127.0.0.1:9", Some("127.0.0.1:9"), true),
            ("127.0.0.2:9", Some("127.0.0.2:9"), false),
            ("0.0.0.0:9", Some("127.0.0.1:9"), true),
            ("[::]:9", Some("127.0.0.1:9"), true),
            ("[::1]:9", Some("[::1]:9"), false),
            ("[::ffff:127.0.0.1]:9", Some("127.0.0.1:9"), true),
            ("10.0.0.1:9", None, false),
        ] {
            let listener = listener(address, 1);
            assert_eq!(
                listener.loopback(),
                reached.map(|address| address.parse().unwrap()),
                "{address}"
            );
            assert_eq!(listener.blocks_loopback(), blocks, "{address}");
        }
    }
}
