use plimsoll_model::{Channel, ClassStatus, Estimate, Gap, Status, Verdict};

/// What growth follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Completed jobs.
    Jobs,
    /// Time, whatever is done in it.
    Time,
}

/// Growth of one job class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassGrowth {
    /// Its name.
    pub class: String,
    /// Jobs completed, over all incarnations.
    pub jobs: u64,
    /// Managed memory left behind per job of the class; `None` where it cannot be told from others.
    pub bytes_per_job: Option<Estimate>,
    /// Its verdict.
    pub status: ClassStatus,
}

/// What one kind of memory (or descriptors, threads) did.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAssessment {
    /// Which.
    pub channel: Channel,
    /// Its own verdict; `Inconclusive` also where the record is too short for this channel.
    pub status: Status,
    /// Whether it counts towards the verdict: resident memory does not in a short record.
    pub judged: bool,
    /// What the growth follows.
    pub axis: Axis,
    /// Bytes (or descriptors, threads) per completed job; `None` without jobs.
    pub growth_per_job: Option<Estimate>,
    /// The same per hour.
    pub growth_per_hour: Option<Estimate>,
    /// Growth over the whole record as fitted, levelled-off growth included.
    pub total_growth: f64,
    /// Growth slowed down clearly: the last third grows at less than half the pace of the first.
    pub bent: bool,
    /// The last third of the record on its own.
    pub late: Option<Late>,
    /// Why, in plain words.
    pub reasons: Vec<String>,
}

/// Growth over the last third of the record, nothing taken out of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Late {
    /// Growth per completed job.
    pub per_job: Estimate,
    /// Jobs that this rests on.
    pub jobs: f64,
    /// Growth that this rests on.
    pub growth: f64,
}

/// All that can be said of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The verdict of the worker.
    pub verdict: Verdict,
    /// Per job class, the largest growth first.
    pub classes: Vec<ClassGrowth>,
    /// Per channel that was measured.
    pub channels: Vec<ChannelAssessment>,
    /// Managed memory (heap and external together): whether its growth slowed down clearly.
    pub bent: bool,
    /// Managed memory over the last third of the record.
    pub late: Option<Late>,
    /// Growth of managed memory over the whole record as fitted.
    pub total_growth_bytes: f64,
    /// Growth per job that this record could tell from a runtime's own warm-up.
    pub resolution_bytes_per_job: Option<f64>,
    /// When two looks in a row first said `leaking`, in seconds of the record.
    pub first_leaking_at_seconds: Option<f64>,
    /// Readings that could not be used, and why.
    pub gaps: Vec<Gap>,
    /// Quiescent floors used.
    pub floors: u64,
}
