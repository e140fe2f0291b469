//! `/proc/PID/fd`: how many descriptors are open, and of what kind.

use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, PROC_SUPER_MAGIC, RawDir, SeekFrom},
    io::Errno,
    path::DecInt,
};

use crate::error::Reason;

/// Names listed at most: far above what a sound worker opens, in 256 KiB.
const LISTED_MAX: usize = 65_536;

/// Links read at most per look: about 2 µs each, so one look stays near 2 ms
/// (`benches/outside_view`). Pinned by `more_than_the_bound_is_spread_and_counted`.
const EXAMINED_MAX: usize = 1024;

/// Open descriptors by kind. Kinds are counted over those that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// All open descriptors.
    pub total: u32,
    /// Files and folders with a path, devices included.
    pub files: u32,
    /// Sockets of any family.
    pub sockets: u32,
    /// Pipes, named ones excluded.
    pub pipes: u32,
    /// `eventfd`.
    pub event_fds: u32,
    /// `epoll`.
    pub epolls: u32,
    /// `timerfd`.
    pub timer_fds: u32,
    /// Other objects without a path: `inotify`, `io_uring`, `memfd`, …
    pub anonymous: u32,
    /// Anything else, or closed between listing and looking.
    pub other: u32,
    /// Not looked at: the kinds were not asked for, or there are too many. Those that were looked
    /// at are spread evenly, so the shares hold for the rest.
    pub unexamined: u32,
}

impl Descriptors {
    fn count(&mut self, target: &[u8]) {
        let field = match target {
            b"anon_inode:[eventfd]" => &mut self.event_fds,
            b"anon_inode:[eventpoll]" => &mut self.epolls,
            b"anon_inode:[timerfd]" => &mut self.timer_fds,
            _ if target.starts_with(b"socket:[") => &mut self.sockets,
            _ if target.starts_with(b"pipe:[") => &mut self.pipes,
            _ if target.starts_with(b"anon_inode:") || target.starts_with(b"/memfd:") => &mut self.anonymous,
            _ if target.starts_with(b"/") => &mut self.files,
            _ => &mut self.other,
        };
        *field += 1;
    }
}

#[derive(Debug, Default)]
struct Listing {
    names: Vec<u32>,
    total: u32,
}

/// The kept descriptor of a `/proc/PID/fd` folder.
#[derive(Debug)]
pub(crate) struct DescriptorFolder {
    folder: OwnedFd,
    /// Since Linux 6.2 the size of the folder is the number of open descriptors.
    size_counts: bool,
}

impl DescriptorFolder {
    pub fn open_at(process: impl AsFd) -> Result<Self, Reason> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(process, "fd", flags, Mode::empty()).map_err(Reason::of_errno)?;
        let size_counts = on_proc(&folder) && size(&folder)? > 0;
        Ok(DescriptorFolder { folder, size_counts })
    }

    /// The number alone: one `fstat` where the kernel counts for us.
    pub fn total(&self) -> Result<Descriptors, Reason> {
        let total = if self.size_counts {
            size(&self.folder)?
        } else {
            self.list()?.total
        };
        Ok(Descriptors {
            total,
            unexamined: total,
            ..Descriptors::default()
        })
    }

    /// The number and the kinds.
    pub fn kinds(&self) -> Result<Descriptors, Reason> {
        let Listing { names, total } = self.list()?;
        let mut found = Descriptors {
            total,
            ..Descriptors::default()
        };
        let stride = names.len().div_ceil(EXAMINED_MAX).max(1);
        // Longer targets are paths, which the start tells already.
        let mut target = [MaybeUninit::uninit(); 64];
        let mut examined = 0;
        for name in names.iter().step_by(stride) {
            match rustix::fs::readlinkat_raw(&self.folder, DecInt::new(*name), &mut target) {
                Ok((target, _)) => found.count(target),
                Err(Errno::NOENT) => found.other += 1,
                Err(errno) => return Err(Reason::of_errno(errno)),
            }
            examined += 1;
        }
        found.unexamined = total - examined;
        Ok(found)
    }

    fn list(&self) -> Result<Listing, Reason> {
        rustix::fs::seek(&self.folder, SeekFrom::Start(0)).map_err(Reason::of_errno)?;
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&self.folder, &mut buffer);
        let mut listing = Listing::default();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(Reason::of_errno)?;
            let name = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
            let Some(name) = name else { continue };
            listing.total = listing.total.saturating_add(1);
            if listing.names.len() < LISTED_MAX {
                listing.names.push(name);
            }
        }
        Ok(listing)
    }
}

fn on_proc(folder: impl AsFd) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}

fn size(folder: impl AsFd) -> Result<u32, Reason> {
    let stat = rustix::fs::fstat(folder).map_err(Reason::of_errno)?;
    Ok(u32::try_from(stat.st_size).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;
    use crate::read::open;

    fn folder_of(process: &Path) -> DescriptorFolder {
        DescriptorFolder::open_at(open(process).unwrap()).unwrap()
    }

    fn fake(targets: impl Iterator<Item = String>) -> tempfile::TempDir {
        let process = tempfile::tempdir().unwrap();
        fs::create_dir(process.path().join("fd")).unwrap();
        for (number, target) in targets.enumerate() {
            symlink(target, process.path().join("fd").join(number.to_string())).unwrap();
        }
        process
    }

    #[test]
    fn kinds_are_told_by_the_link() {
        let long = format!("/srv/{}", "x".repeat(300));
        let targets = [
            "socket:[1]",
            "pipe:[2]",
            "anon_inode:[eventfd]",
            "anon_inode:[eventpoll]",
            "anon_inode:[timerfd]",
            "anon_inode:inotify",
            "/memfd:v8 (deleted)",
            "/dev/null",
            &long,
            "net:[4026531840]",
            "",
        ];
        // An empty target cannot be made, so the last one stays out of the fake folder.
        let process = fake(targets[..10].iter().map(|target| (*target).to_string()));
        let found = folder_of(process.path()).kinds().unwrap();
        let expected = Descriptors {
            total: 10,
            files: 2,
            sockets: 1,
            pipes: 1,
            event_fds: 1,
            epolls: 1,
            timer_fds: 1,
            anonymous: 2,
            other: 1,
            unexamined: 0,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn more_than_the_bound_is_spread_and_counted() {
        let open = EXAMINED_MAX + 1000;
        let process =
            fake((0..open).map(|number| format!("{}:[{number}]", ["socket", "pipe"][number % 3 % 2])));
        let found = folder_of(process.path()).kinds().unwrap();
        assert_eq!(found.total as usize, open);
        assert_eq!(found.total, found.sockets + found.pipes + found.unexamined);
        assert_eq!(
            found.unexamined as usize,
            open / 2,
            "every second one is looked at"
        );
        let socket_share = f64::from(found.sockets) / f64::from(found.sockets + found.pipes);
        assert!((socket_share - 2.0 / 3.0).abs() < 0.02, "{socket_share}");
    }

    #[test]
    fn a_kept_folder_follows_the_process() {
        let own = folder_of(Path::new("/proc/self"));
        let before = own.total().unwrap().total;
        let sockets: Vec<_> = (0..50)
            .map(|_| std::os::unix::net::UnixStream::pair().unwrap())
            .collect();
        let after = own.kinds().unwrap();
        assert!(after.total >= before + 90, "{before} then {after:?}");
        assert!(after.sockets >= 100, "{after:?}");
        drop(sockets);
    }
}
