//! What a simulated worker is: plain data, so that a kind is a way to fill it in.

/// One mebibyte.
pub const MIB: f64 = 1024.0 * 1024.0;
/// One hour in seconds.
pub const HOUR: f64 = 3600.0;

/// One job class of a simulated worker.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its share of the jobs, relative to the others.
    pub weight: f64,
    /// Managed memory that each of its jobs leaves behind.
    pub leak_bytes: f64,
}

/// How a cache fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// By random keys: fast, then ever more slowly, with this constant in jobs.
    Saturating(f64),
    /// One entry a job until it is full after this many jobs.
    Linear(f64),
    /// A table that doubles whenever it is full, until this many jobs.
    Doubling(f64),
}

/// A worker and everything that moves its memory.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Length of the record.
    pub seconds: f64,
    /// Distance of samples.
    pub sample_seconds: f64,
    /// Distance of quiescent floors.
    pub floor_seconds: f64,
    /// Distance of ordinary full collections.
    pub collection_seconds: f64,
    /// Jobs per second, before load changes it.
    pub pace: f64,
    /// Its classes.
    pub classes: Vec<Class>,
    /// How much the mix of classes wanders (standard deviation of the logarithm).
    pub mix_wander: f64,
    /// Swing of the load over a day, 0 to 1, and where in the day the record starts.
    pub diurnal: (f64, f64),
    /// When the load changes for good, and by which factor.
    pub load_step: Option<(f64, f64)>,
    /// Live memory per job a second: sessions, buffers, pools that follow load.
    pub bytes_per_pace: f64,
    /// Live memory at the start.
    pub base_bytes: f64,
    /// Independent noise of a floor.
    pub white_bytes: f64,
    /// Noise that lasts: its deviation, and how long it remembers.
    pub slow_bytes: f64,
    /// Seconds after which slow noise has forgotten two thirds.
    pub slow_seconds: f64,
    /// Growth of a runtime that warms up, and its constant in jobs.
    pub warm_up: (f64, f64),
    /// Drift of a runtime that warms up for ever more slowly: height at 1,000 jobs of `ln(1 + n / 100)`.
    pub drift_bytes: f64,
    /// Caches with their final size.
    pub caches: Vec<(f64, Fill)>,
    /// Seconds at which something big is loaded for good, and its size.
    pub plateaus: Vec<(f64, f64)>,
    /// When leaks begin.
    pub leak_from_seconds: f64,
    /// Leaks show in chunks of this size (0: at once).
    pub leak_chunk_bytes: f64,
    /// Managed leak per second, whatever the jobs.
    pub leak_per_second: f64,
    /// Leaks land in buffers outside the heap.
    pub leak_external: bool,
    /// Native leak per second.
    pub native_per_second: f64,
    /// Native fragmentation: its final size, and its constant in seconds.
    pub fragmentation: (f64, f64),
    /// Noise of resident memory.
    pub resident_noise_bytes: f64,
    /// Jobs that wait inside the process, at the start and gained per second, each of `backlog_bytes`.
    pub backlog: (f64, f64, f64),
    /// Descriptors left open per second.
    pub fds_per_second: f64,
    /// Seconds at which the worker restarts.
    pub restarts: Vec<f64>,
    /// Memory it may use.
    pub budget_bytes: f64,
    /// Declared cap of its caches.
    pub cap_bytes: Option<f64>,
    /// Declared growth below which nothing is a leak; `None` for short records, where it is derived.
    pub minimum_bytes_per_day: Option<f64>,
}

impl Plan {
    /// Managed growth per second that never ends, at the mean pace.
    pub fn leak_bytes_per_second(&self) -> f64 {
        self.leak_per_second + self.pace * self.leak_bytes_per_job_by_class()
    }

    fn leak_bytes_per_job_by_class(&self) -> f64 {
        let all: f64 = self.classes.iter().map(|c| c.weight).sum();
        self.classes.iter().map(|c| c.leak_bytes * c.weight).sum::<f64>() / all
    }

    /// The same worker without its leak: the last good release.
    pub fn sound_twin(&self) -> Plan {
        let mut twin = self.clone();
        twin.classes.iter_mut().for_each(|class| class.leak_bytes = 0.0);
        twin.leak_per_second = 0.0;
        twin.native_per_second = 0.0;
        twin.fds_per_second = 0.0;
        twin
    }
}
