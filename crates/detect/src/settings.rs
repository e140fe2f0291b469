use crate::Baseline;

/// Growth below which nothing is called a leak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MinimumEffect {
    /// Bytes per completed job, as declared.
    PerJob(f64),
    /// Bytes per day at the pace seen, as declared.
    PerDay(f64),
    /// From the limit in force and from what the record can resolve.
    Derived,
}

/// Whether the jobs per second that were seen say anything about production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The worker does its own work at its own pace.
    Real,
    /// A test drives it as fast as it goes, so a limit per 30 days means nothing.
    Test,
}

/// What the verdict is for, which says how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// A run that ends soon: it is judged by what there is, and heap dumps settle the rest.
    Run,
    /// A service over days: a false alarm at night costs more than a few hours of waiting.
    Service,
}

/// What a verdict is measured against.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The least of budget, cgroup, runtime and machine limit.
    pub limit_bytes: Option<u64>,
    /// Declared size to which caches may grow.
    pub cap_bytes: Option<u64>,
    /// Growth below which nothing is called a leak.
    pub minimum_effect: MinimumEffect,
    /// How often a stated interval holds the true value.
    pub confidence: f64,
    /// Whether the pace is production's.
    pub pace: Pace,
    /// What the verdict is for.
    pub watch: Watch,
    /// A sound run of the same service to compare with.
    pub baseline: Option<Baseline>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            limit_bytes: None,
            cap_bytes: None,
            minimum_effect: MinimumEffect::Derived,
            confidence: 0.95,
            pace: Pace::Real,
            watch: Watch::Run,
            baseline: None,
        }
    }
}
