use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .and_then(Path::parent)
        .expect("this crate is two folders deep")
        .to_owned()
}

/// The program called `name` that the shell would start.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Node.
///
/// # Panics
/// If there is none: nothing here can be tested without it.
pub fn node() -> PathBuf {
    on_path("node").expect("`node` (18 or newer) is on the PATH: the workers under test need it")
}

/// A port on loopback that was free a moment ago.
///
/// # Panics
/// If the system has none left.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
