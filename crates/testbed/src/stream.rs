use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// More output than this is read and counted, not kept.
pub(crate) const OUTPUT_MAX_BYTES: usize = 4 << 20;

/// A pipe that a thread reads to its end.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Arc<(Mutex<Received>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Received {
    kept: Vec<u8>,
    bytes: u64,
    ended: bool,
}

impl Stream {
    pub(crate) fn read(mut pipe: impl Read + Send + 'static) -> Stream {
        let shared = Arc::new((Mutex::new(Received::default()), Condvar::new()));
        let sink = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut received = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
                let room = OUTPUT_MAX_BYTES.saturating_sub(received.kept.len()).min(count);
                received.kept.extend_from_slice(&buffer[..room]);
                received.bytes += count as u64;
                received.ended = count == 0;
                sink.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Stream {
            shared,
            reader: Some(reader),
        }
    }

    pub(crate) fn text(&self) -> String {
        let received = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&received.kept).into_owned()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    pub(crate) fn line(&self, text: &str, ends: Instant) -> Option<String> {
        let mut received = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let so_far = String::from_utf8_lossy(&received.kept).into_owned();
            if let Some(line) = so_far
                .split_inclusive('\n')
                .find(|line| line.ends_with('\n') && line.contains(text))
            {
                return Some(line.trim_end().to_owned());
            }
            let left = ends.checked_duration_since(Instant::now())?;
            if received.ended {
                return None;
            }
            received = self
                .shared
                .1
                .wait_timeout(received, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(crate) fn drain(&mut self, ends: Instant) {
        let mut received = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !received.ended {
            let Some(left) = ends.checked_duration_since(Instant::now()) else {
                return;
            };
            received = self
                .shared
                .1
                .wait_timeout(received, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(received);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has nothing more to give.
            let _ = reader.join();
        }
    }
}
