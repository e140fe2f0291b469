//! Who leaks: holders from the dumps, joined with job classes and allocation stacks into suspects.
//!
//! Pure. [`attribute`] ranks suspects; [`settle`] takes the objects' word into a verdict that a series
//! of figures alone cannot settle (a leak, or a structure that fills up).

mod class;
mod native;
mod settle;
mod stack;
mod suspect;

pub use class::ClassGrowth;
pub use native::{
    NativeObject, NativeSite, NativeStack, NativeView, Survivor, Unit, native_sites, native_suspects,
    settle_native,
};
pub use settle::{Effect, settle};
pub use suspect::{Input, attribute};
