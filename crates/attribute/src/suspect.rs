//! Suspects, ranked.

use plimsoll_heap::{Growth, Holder, Trend};
use plimsoll_model::{AllocationStack, Pattern, Suspect};

use crate::class::{ClassGrowth, Match, class_of, left_by_every_job};
use crate::stack::{Frame, stacks_for};

/// Everything that is known when suspects are named.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the dumps tell.
    pub growth: &'a Growth,
    /// Job classes with their growth.
    pub classes: &'a [ClassGrowth],
    /// Surviving allocations by stack.
    pub profile: &'a [AllocationStack],
    /// Working directory of the worker; paths below it are shown without it.
    pub base: Option<&'a str>,
}

impl<'a> Input<'a> {
    /// Dumps alone: job classes and allocation stacks are not theirs to tell.
    pub fn of_dumps(growth: &'a Growth) -> Self {
        Input {
            growth,
            classes: &[],
            profile: &[],
            base: None,
        }
    }
}

/// Suspects in a report; whoever is not among the first ten is not worth a look.
const SUSPECTS: usize = 10;
/// Share of the first suspect's bytes below which another is only noise beside it.
const WORTH_SHARE: f64 = 0.02;

/// Ranks the holders that go on growing, and says which job class is behind each.
pub fn attribute(input: &Input<'_>) -> Vec<Suspect> {
    let growing = || {
        input
            .growth
            .holders
            .iter()
            .filter(|holder| holder.trend != Trend::FillsAndStops)
    };
    let most = growing().map(|holder| holder.bytes_per_job).fold(0.0, f64::max);
    growing()
        .filter(|holder| holder.bytes_per_job >= most * WORTH_SHARE)
        .take(SUSPECTS)
        .zip(1..)
        .map(|(holder, rank)| suspect(input, holder, rank))
        .collect()
}

fn suspect(input: &Input<'_>, holder: &Holder, rank: u32) -> Suspect {
    let stacks = stacks_for(holder, input.profile);
    let functions: Vec<&str> = holder
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    let frames: Vec<&str> = stacks
        .iter()
        .flat_map(|stack| stack.frames.iter().map(String::as_str))
        .chain(functions)
        .collect();
    let class = class_of(holder, input.classes, &input.growth.points, &frames);
    let source = holder
        .source
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| maker(&stacks));
    let module = holder
        .module
        .clone()
        .or_else(|| source.as_deref().and_then(file_of));
    let short = |text: &str| shorten(text, input.base);
    let pattern = pattern_of(holder, class.as_ref());
    let every = class.is_none() && left_by_every_job(holder, &input.growth.points);
    Suspect {
        rank,
        pattern,
        type_name: holder.type_name.clone(),
        holder: Some(holder.name.clone()),
        holder_type: Some(holder.holder_type.clone()),
        module: module.as_deref().map(short),
        source: source.as_deref().map(short),
        count_per_job: (holder.count_per_job > 0.0).then_some(holder.count_per_job),
        bytes_per_job: Some(holder.bytes_per_job),
        retained_bytes: holder.retained_bytes.last().copied().flatten(),
        retainer_path: holder.retainer_path.clone(),
        allocation_stacks: stacks
            .into_iter()
            .map(|stack| shorten_stack(stack, input.base))
            .collect(),
        explanation: short(&explanation(holder, class.as_ref(), pattern, every)),
        job_class: class.map(|class| class.class),
        remedies: holder.remedies_for(pattern),
    }
}

/// What failed and stays, as often as jobs of one class fail, is parked for a retry.
fn pattern_of(holder: &Holder, class: Option<&Match>) -> Pattern {
    match class {
        Some(class)
            if class.as_many_as_fail
                && matches!(holder.pattern, Pattern::GrowingCollection | Pattern::Backlog) =>
        {
            Pattern::RetryBuffer
        }
        _ => holder.pattern,
    }
}

fn explanation(holder: &Holder, class: Option<&Match>, pattern: Pattern, every: bool) -> String {
    let mut text = holder.explanation.clone();
    if every {
        text.push_str(" Every job seems to leave as much, whatever its class.");
    }
    if let Some(class) = class {
        text.push_str(&format!(" Job class: `{}`.", class.class));
        if pattern == Pattern::RetryBuffer && class.as_many_as_fail {
            text.push_str(" About as many stay behind as jobs of this class fail.");
        }
    }
    if let Some(reached) = &holder.reached_from {
        let at = reached
            .source
            .as_ref()
            .map(|at| format!(" ({at})"))
            .unwrap_or_default();
        text.push_str(&format!(
            " The program reaches it through `{}`{at}.",
            reached.name
        ));
    }
    if holder.is_near && holder.source.is_some() && holder.is_named {
        text.push_str(" The place is that of a function near it; its declaration was not found.");
    }
    match holder.trend {
        Trend::Slowing => text.push_str(" It grows more slowly of late: it may be filling up."),
        Trend::Uneven => text.push_str(" It grew unevenly: not in proportion to jobs so far."),
        Trend::Began => text.push_str(" It grew between the last two dumps only."),
        Trend::Unclear => text.push_str(" Too little of it to tell a trend."),
        Trend::Proportional | Trend::FillsAndStops => {}
    }
    text
}

/// The innermost line of the program's own on the stacks.
fn maker(stacks: &[AllocationStack]) -> Option<String> {
    let frames = stacks.iter().flat_map(|stack| &stack.frames);
    let own = frames
        .into_iter()
        .find(|frame| Frame::parse(frame).is_some_and(|frame| frame.is_application()))?;
    Some(own.rsplit(' ').next()?.trim_start_matches("file://").to_owned())
}

fn file_of(position: &str) -> Option<String> {
    Frame::parse(position).map(|frame| frame.file.to_owned())
}

fn shorten(text: &str, base: Option<&str>) -> String {
    match base
        .map(|base| base.trim_end_matches('/'))
        .filter(|base| !base.is_empty())
    {
        Some(base) => text
            .replace(&format!("file://{base}/"), "")
            .replace(&format!("{base}/"), ""),
        None => text.to_owned(),
    }
}

fn shorten_stack(mut stack: AllocationStack, base: Option<&str>) -> AllocationStack {
    for frame in &mut stack.frames {
        *frame = shorten(frame, base);
    }
    stack
}
