//! Allocation stacks that belong to a suspect.

use plimsoll_heap::Holder;
use plimsoll_model::AllocationStack;

/// Stacks in one suspect.
const STACKS: usize = 3;
/// A frame this many lines from a function's beginning still is that function, mostly.
const LINES: u32 = 60;

/// A frame taken apart: `function file:line:column`.
pub(crate) struct Frame<'f> {
    pub(crate) file: &'f str,
    pub(crate) line: u32,
}

impl<'f> Frame<'f> {
    pub(crate) fn parse(frame: &'f str) -> Option<Self> {
        let place = frame.rsplit(' ').next()?;
        let mut parts = place.rsplitn(3, ':');
        let _column: u32 = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some(Frame {
            file: parts.next()?,
            line,
        })
    }

    /// Whether it is code of the program, not of a package or the runtime.
    pub(crate) fn is_application(&self) -> bool {
        !self.file.starts_with("node:")
            && !self.file.contains("/node_modules/")
            && self.file.contains(['/', '.'])
    }
}

/// The stacks most likely to have made what the holder keeps, the best first.
pub(crate) fn stacks_for(holder: &Holder, profile: &[AllocationStack]) -> Vec<AllocationStack> {
    let mut matching: Vec<(u32, &AllocationStack)> = profile
        .iter()
        .map(|stack| (relation(holder, stack), stack))
        .filter(|(related, _)| *related > 0)
        .collect();
    matching.sort_by_key(|(related, stack)| std::cmp::Reverse((*related, stack.bytes)));
    matching
        .into_iter()
        .take(STACKS)
        .map(|(_, stack)| stack.clone())
        .collect()
}

/// How closely a stack is related to a holder: through its functions, its file, or not at all.
fn relation(holder: &Holder, stack: &AllocationStack) -> u32 {
    let frames: Vec<Frame<'_>> = stack
        .frames
        .iter()
        .filter_map(|frame| Frame::parse(frame))
        .collect();
    let near = |file: &str, line: u32| {
        frames
            .iter()
            .any(|frame| same_file(frame.file, file) && frame.line.abs_diff(line) <= LINES)
    };
    if holder
        .functions
        .iter()
        .any(|function| near(&function.source.file, function.source.line))
    {
        return 3;
    }
    let Some(source) = &holder.source else {
        return u32::from(is_runtime_made(&frames));
    };
    if near(&source.file, source.line) {
        return 2;
    }
    u32::from(frames.iter().any(|frame| same_file(frame.file, &source.file)))
}

/// Made by the runtime for the program: what an open handle is.
fn is_runtime_made(frames: &[Frame<'_>]) -> bool {
    let inner = frames
        .first()
        .is_some_and(|frame| frame.file.starts_with("node:"));
    inner && frames.iter().any(Frame::is_application)
}

fn same_file(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.strip_prefix("file://").unwrap_or(text).to_owned();
    plain(a) == plain(b)
}
