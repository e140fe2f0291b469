//! One report as terminal text, JSON, Markdown and HTML. Pure.
