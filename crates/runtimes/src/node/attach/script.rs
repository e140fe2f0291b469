//! What is evaluated inside the worker.

use std::path::Path;

/// Closes the inspector once the answer to this has left. Unreferenced, so that it keeps no process
/// alive that is about to end.
pub(super) const CLOSE: &str = r"(() => {
  const load = (name) => process.getBuiltinModule?.(name) ?? process.mainModule?.require(name) ?? require(name);
  const inspector = load('inspector');
  setTimeout(() => inspector.close(), 20).unref();
})()";

/// Loads the agent and tells what came of it: `started`, `already` or `declined`.
///
/// There is no `require` in an ES module: Node ≥ 20.16 offers `process.getBuiltinModule`, and before
/// that the command line API of the inspector has one. The agent fails open, so that it started is
/// seen only by its mark.
pub(super) fn load(entry: &Path, config_json: &str) -> String {
    let entry = literal(&entry.to_string_lossy());
    let config = literal(config_json);
    format!(
        r"(() => {{
  const started = () => globalThis[Symbol.for('plimsoll.agent.started')] === true;
  if (started()) return 'already';
  const load = process.getBuiltinModule?.('module').createRequire({entry}) ?? process.mainModule?.require.bind(process.mainModule) ?? require;
  globalThis.__plimsoll_agent_config = {config};
  try {{
    // A copy that declined before, for want of a configuration, is in the cache.
    delete load.cache?.[{entry}];
    load({entry});
  }} finally {{
    delete globalThis.__plimsoll_agent_config;
  }}
  return started() ? 'started' : 'declined';
}})()"
    )
}

/// A JavaScript string literal: JSON is one, since ES2019 for every character.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted() {
        let script = load(Path::new("/a'b\"\\`${x}/agent.cjs"), r#"{"socket":"/s"}"#);
        assert!(script.contains(r#"load("/a'b\"\\`${x}/agent.cjs")"#), "{script}");
        assert!(
            script.contains(r#"__plimsoll_agent_config = "{\"socket\":\"/s\"}";"#),
            "{script}"
        );
    }
}
