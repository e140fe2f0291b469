//! Readings of one worker in, a verdict with intervals out.
//!
//! [`Detector`] is fed with readings in time order and keeps a bounded state; [`Detector::assess`]
//! fits the model of docs/detection.md to it: floor = start + a bounded shape (warm-up, cache that
//! fills, step) + growth × jobs + autocorrelated noise, with the shape and the autocorrelation
//! profiled, so that the lower bound of growth is the least over everything that fits nearly as well.
//!
//! Pure: no I/O, clock, randomness or threads. What cannot be used (out of order, absurd, repeated)
//! becomes a stated gap, never a panic.

mod assess;
mod assessment;
mod baseline;
mod candidates;
mod channels;
mod classes;
mod counts;
mod detector;
mod envelope;
mod intake;
mod judge;
mod kept;
mod looks;
mod mixture;
mod noise;
mod quantile;
mod regression;
mod settings;
mod shape;
mod track;
mod trend;
mod words;

pub use assessment::{Assessment, Axis, ChannelAssessment, ClassGrowth, Late};
pub use baseline::Baseline;
pub use classes::pooled_classes;
pub use detector::Detector;
pub use settings::{MinimumEffect, Pace, Settings, Watch};
