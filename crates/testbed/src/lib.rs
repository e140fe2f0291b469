//! For tests only: real workers with a deadline, fixtures with their truth, services on loopback.
//!
//! Everything that is started here is ended here, by its own id. Nothing waits without a deadline, and what
//! differs from run to run comes from one [`Seed`], which a failing test prints.

mod check;
mod child;
mod fixture;
mod folder;
mod judgement;
mod packages;
mod places;
mod redis;
mod rename;
mod report;
mod seed;
mod slots;
mod stream;
mod watch;
mod zoo;

pub use check::{Snapshot, check_snapshot};
pub use child::{Child, Finished, Launch, Stop};
pub use fixture::{Fixture, Leak, Prepared, Spike, Truth, fixture_cases, marked_lines};
pub use folder::TestFolder;
pub use judgement::{Score, Standing, judge_leaky, judge_sound, score, suspect_complaints};
pub use packages::{Missing, npm_packages, skip_or_fail};
pub use places::{free_port, node, on_path, repository};
pub use redis::Redis;
pub use rename::rename_words;
pub use report::ReportFile;
pub use seed::{Random, Seed};
pub use slots::Slot;
pub use watch::{Watch, Watched};
pub use zoo::{ZooCase, ZooRow, zoo_cases, zoo_table};
