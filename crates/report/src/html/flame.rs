//! Surviving allocations as a flame graph of plain boxes: widths are shares of the bytes, so it fits
//! every screen and prints, and the browser cuts long names itself.

use std::collections::BTreeMap;

use maud::{Markup, html};
use plimsoll_model::AllocationStack;

use super::name;
use crate::words;

/// Deeper frames are cut; what is at the bottom of a stack is the machinery that runs jobs.
const MOST_DEPTH: usize = 40;
/// Narrower boxes cannot be seen or hit.
const LEAST_SHARE: f64 = 0.003;
const MOST_BOXES: usize = 1500;
const MOST_STACKS: usize = 10;
const MOST_FRAMES: usize = 12;

#[derive(Default)]
struct Node<'a> {
    bytes: u64,
    callees: BTreeMap<&'a str, Node<'a>>,
}

struct Frame<'a> {
    name: &'a str,
    bytes: u64,
    depth: usize,
    left: f64,
    share: f64,
}

/// The section; nothing if there are no stacks.
pub(super) fn flame(stacks: &[AllocationStack]) -> Markup {
    let tree = tree(stacks);
    let mut frames = Vec::new();
    lay_out(&tree, 0, 0.0, tree.bytes as f64, &mut frames);
    let rows = frames.iter().map(|frame| frame.depth + 1).max().unwrap_or(0);
    html! {
        @if rows > 0 {
            section #allocations {
                h2 { "Surviving allocations" }
                div.card {
                    p.note { (words::bytes(tree.bytes as f64)) " still alive at the end, by the code that allocated it; callers above, what they call below. Sampled." }
                    div.flame style={ "height:" (rows * 23) "px" } { @for frame in &frames { (cell(frame, tree.bytes)) } }
                    ul.legend {
                        li { span.swatch.area.own {} "application" }
                        li { span.swatch.area.package {} "packages" }
                        li { span.swatch.area.platform {} "runtime" }
                    }
                    (as_table(stacks))
                }
            }
        }
    }
}

fn tree(stacks: &[AllocationStack]) -> Node<'_> {
    let mut root = Node::default();
    for stack in stacks.iter().filter(|stack| !stack.frames.is_empty()) {
        root.bytes = root.bytes.saturating_add(stack.bytes);
        let mut node = &mut root;
        for frame in stack.frames.iter().rev().take(MOST_DEPTH) {
            node = node.callees.entry(frame).or_default();
            node.bytes = node.bytes.saturating_add(stack.bytes);
        }
    }
    root
}

/// Widest first, from the left; depth is bounded by the tree's.
fn lay_out<'a>(node: &Node<'a>, depth: usize, left: f64, total: f64, frames: &mut Vec<Frame<'a>>) {
    let mut callees: Vec<(&&str, &Node)> = node.callees.iter().collect();
    callees.sort_by_key(|(_, callee)| std::cmp::Reverse(callee.bytes));
    let mut left = left;
    for (name, callee) in callees {
        let share = callee.bytes as f64 / total;
        if frames.len() >= MOST_BOXES || share.is_nan() || share < LEAST_SHARE {
            return;
        }
        frames.push(Frame {
            name,
            bytes: callee.bytes,
            depth,
            left,
            share,
        });
        lay_out(callee, depth + 1, left, total, frames);
        left += share;
    }
}

fn cell(frame: &Frame, total: u64) -> Markup {
    let share = words::share(frame.bytes as f64 / total as f64);
    let place = format!(
        "left:{:.3}%;width:{:.3}%;top:{}px",
        frame.left * 100.0,
        frame.share * 100.0,
        frame.depth * 23
    );
    html! {
        div class={ "frame " (origin(frame.name)) } style=(place)
            title={ (name(frame.name)) "\n" (words::bytes(frame.bytes as f64)) ", " (share) } { (name(frame.name)) }
    }
}

/// Whose code a frame is, by where runtimes put packages and their own modules. It chooses a tint only.
fn origin(frame: &str) -> &'static str {
    let is = |parts: &[&str]| parts.iter().any(|part| frame.contains(part));
    match frame {
        _ if is(&["node_modules/", "site-packages/", "dist-packages/", "/gems/"]) => "package",
        _ if is(&[" node:", "(node:", "(native", " internal/", "<frozen "]) || !frame.contains(':') => {
            "platform"
        }
        _ => "own",
    }
}

fn as_table(stacks: &[AllocationStack]) -> Markup {
    let mut largest: Vec<&AllocationStack> = stacks.iter().filter(|stack| !stack.frames.is_empty()).collect();
    largest.sort_by_key(|stack| std::cmp::Reverse(stack.bytes));
    html! {
        details.long {
            summary { "The largest stacks as text" }
            @for stack in largest.iter().take(MOST_STACKS) { (stack_text(stack)) }
        }
    }
}

/// One stack, innermost frame first.
pub(super) fn stack_text(stack: &AllocationStack) -> Markup {
    let left_out = stack.frames.len().saturating_sub(MOST_FRAMES);
    html! {
        div.stack {
            strong { (words::bytes(stack.bytes as f64)) } " allocated at"
            ol.frames {
                @for frame in stack.frames.iter().take(MOST_FRAMES) { li { code { (name(frame)) } } }
                @if left_out > 0 { li.note { "and " (left_out) " more frames" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(bytes: u64, frames: &[&str]) -> AllocationStack {
        AllocationStack {
            bytes,
            frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
        }
    }

    #[test]
    fn shared_callers_are_merged_and_the_widest_is_first() {
        let stacks = [
            stack(10, &["a", "main"]),
            stack(30, &["b", "main"]),
            stack(60, &["c"]),
        ];
        let tree = tree(&stacks);
        let mut frames = Vec::new();
        lay_out(&tree, 0, 0.0, tree.bytes as f64, &mut frames);
        let seen: Vec<(&str, usize, f64, f64)> = frames
            .iter()
            .map(|frame| (frame.name, frame.depth, frame.left, frame.share))
            .collect();
        let expected = [
            ("c", 0, 0.0, 0.6),
            ("main", 0, 0.6, 0.4),
            ("b", 1, 0.6, 0.3),
            ("a", 1, 0.9, 0.1),
        ];
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_eq!((seen.0, seen.1), (expected.0, expected.1));
            assert!(
                (seen.2 - expected.2).abs() < 1e-9 && (seen.3 - expected.3).abs() < 1e-9,
                "{seen:?}"
            );
        }
        assert_eq!(seen.len(), expected.len());
    }

    #[test]
    fn endless_stacks_and_empty_ones_stay_bounded() {
        let deep: Vec<String> = (0..100_000).map(|frame| format!("f{frame}")).collect();
        let stacks = [
            AllocationStack {
                bytes: u64::MAX,
                frames: deep,
            },
            stack(5, &[]),
            stack(0, &["zero"]),
        ];
        let text = flame(&stacks).into_string();
        assert_eq!(text.matches("class=\"frame ").count(), MOST_DEPTH);
        assert_eq!(flame(&[stack(5, &[])]).into_string(), "");
        assert_eq!(flame(&[stack(0, &["zero"])]).into_string(), "");
    }
}
