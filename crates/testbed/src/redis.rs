use crate::{Child, Launch, Missing, TestFolder, free_port, on_path};

/// A Redis of the test's own on loopback, without persistence; ends with the value.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    // Dropped in this order: the server first, then its folder.
    _server: Child,
    _folder: TestFolder,
}

impl Redis {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If there is no `redis-server`.
    pub fn start() -> Result<Redis, Missing> {
        let program = on_path("redis-server").ok_or_else(|| Missing {
            name: "redis",
            hint: "there is no `redis-server`; `apt-get install redis-server`".to_owned(),
        })?;
        let folder = TestFolder::new("redis");
        let port = free_port();
        let mut server = Launch::new(program)
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
            ])
            .arg(port.to_string())
            .cwd(folder.path())
            .deadline(600)
            .start();
        server.stdout_line("Ready to accept connections");
        Ok(Redis {
            port,
            _server: server,
            _folder: folder,
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}
