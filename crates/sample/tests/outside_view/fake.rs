//! A tree of files in a temporary folder that stands for `/proc` and `/sys/fs/cgroup`.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use plimsoll_sample::Roots;

pub struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Readable for the unprivileged user of `as_nobody`.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let fake = Fake { folder };
        fs::create_dir(fake.path("proc")).unwrap();
        fs::create_dir(fake.path("cgroup")).unwrap();
        for (path, content) in files {
            fake.put(path, content);
        }
        fake
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn forbid(&self, path: &str) {
        fs::set_permissions(self.path(path), PermissionsExt::from_mode(0o000)).unwrap();
    }

    pub fn roots(&self) -> Roots {
        Roots::new(self.path("proc"), self.path("cgroup"))
    }
}

/// Runs `look` in a thread that has no privileges, whoever runs the tests.
pub fn as_nobody<T: Send>(look: impl FnOnce() -> T + Send) -> T {
    const NOBODY: libc::c_long = 65534;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: takes no pointers. The bare system call changes this thread alone, which ends here.
            unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            look()
        });
        thread.join().unwrap()
    })
}
