//! Jobs per class over restarts, as told by samples and floors.

use plimsoll_model::JobCounts;

use crate::intake::{Intake, Refusal};
use crate::track::CLASSES_MAX;

/// A total that falls below this share of itself is a restart that nobody told.
const RESTART_SHARE: f64 = 0.5;

/// What job counts mean for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// They go on from the ones before.
    Goes,
    /// They start anew: the worker was restarted, and nobody said so.
    Restarted,
    /// They cannot be right.
    Refused,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    classes: Vec<String>,
    /// Jobs per class in this incarnation, and in finished ones.
    current: Vec<f64>,
    finished: Vec<f64>,
    jobs: f64,
    finished_jobs: f64,
    at_seconds: Option<f64>,
    first_jobs: Option<f64>,
    /// Jobs per second of late.
    pace: f64,
}

/// What the load was longer ago than this moves memory little: sessions and buffers have gone.
const PACE_SECONDS: f64 = 600.0;

impl Counts {
    /// Jobs per second over the last ten minutes or so.
    pub fn pace(&self) -> f64 {
        self.pace
    }

    /// Jobs of this incarnation.
    pub fn jobs(&self) -> f64 {
        self.jobs
    }

    /// Jobs per class of this incarnation.
    pub fn current(&self) -> &[f64] {
        &self.current
    }

    /// Jobs completed since the record began.
    pub fn since_first(&self) -> f64 {
        self.finished_jobs + self.jobs - self.first_jobs.unwrap_or(0.0)
    }

    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// All jobs of a class.
    pub fn of(&self, class: &str) -> u64 {
        let place = self.classes.iter().position(|c| c == class);
        place.map_or(0, |p| (self.finished[p] + self.current[p]) as u64)
    }

    /// Whether `jobs` can follow what was told before.
    pub fn check(&self, jobs: &JobCounts, at_seconds: f64, intake: &mut Intake) -> Told {
        let total = total(jobs);
        let elapsed = self.at_seconds.map(|at| at_seconds - at);
        if total < self.jobs {
            intake.refuse(Refusal::JobsFell, at_seconds);
            return if total > RESTART_SHARE * self.jobs {
                Told::Refused
            } else {
                Told::Restarted
            };
        }
        match elapsed {
            Some(elapsed) if !intake.admit_pace(total - self.jobs, elapsed, at_seconds) => Told::Refused,
            _ => Told::Goes,
        }
    }

    fn note_pace(&mut self, jobs: f64, at_seconds: f64) {
        let Some(elapsed) = self.at_seconds.map(|at| at_seconds - at).filter(|e| *e > 0.0) else {
            return;
        };
        let pace = (jobs - self.jobs).max(0.0) / elapsed;
        // The first pace seen stands for what was before it.
        let keep = if self.pace > 0.0 {
            (-elapsed / PACE_SECONDS).exp()
        } else {
            0.0
        };
        self.pace = keep * self.pace + (1.0 - keep) * pace;
    }

    /// Takes over counts that [`Counts::check`] let through.
    pub fn take(&mut self, jobs: &JobCounts, at_seconds: f64) {
        self.note_pace(total(jobs), at_seconds);
        // Nearly every reading has the classes of the one before, in the same order.
        if jobs.len() == self.classes.len() && jobs.keys().eq(self.classes.iter()) {
            self.current
                .iter_mut()
                .zip(jobs.values())
                .for_each(|(count, jobs)| *count = *jobs as f64);
        } else {
            for (class, jobs) in jobs {
                if let Some(place) = self.place_of(class) {
                    self.current[place] = *jobs as f64;
                }
            }
        }
        self.jobs = total(jobs);
        self.at_seconds = Some(at_seconds);
        self.first_jobs.get_or_insert(self.jobs);
    }

    /// Counts at an instant between the last ones told and `next`.
    pub fn between(&mut self, at_seconds: f64, next: &JobCounts, next_seconds: f64) -> Counts {
        let from = self.at_seconds.unwrap_or(next_seconds);
        let share = if next_seconds > from {
            (at_seconds - from) / (next_seconds - from)
        } else {
            0.0
        };
        let share = share.clamp(0.0, 1.0);
        let mut between = self.clone();
        for (class, count) in next {
            if let Some(place) = between.place_of(class) {
                between.current[place] += (*count as f64 - between.current[place]) * share;
            }
        }
        between.jobs += (total(next) - between.jobs) * share;
        between
    }

    /// The worker starts anew.
    pub fn restart(&mut self) {
        for (finished, current) in self.finished.iter_mut().zip(&mut self.current) {
            *finished += std::mem::take(current);
        }
        self.finished_jobs += std::mem::take(&mut self.jobs);
    }

    fn place_of(&mut self, class: &str) -> Option<usize> {
        if let Some(place) = self.classes.iter().position(|c| c == class) {
            return Some(place);
        }
        if self.classes.len() >= CLASSES_MAX {
            return None;
        }
        self.classes.push(class.to_owned());
        self.current.push(0.0);
        self.finished.push(0.0);
        Some(self.classes.len() - 1)
    }

    /// Bytes beyond the struct itself.
    pub fn state_bytes(&self) -> usize {
        let names: usize = self
            .classes
            .iter()
            .map(|c| c.capacity() + size_of::<String>())
            .sum();
        names + (self.current.capacity() + self.finished.capacity()) * size_of::<f64>()
    }
}

fn total(jobs: &JobCounts) -> f64 {
    jobs.values().map(|n| *n as f64).sum()
}
