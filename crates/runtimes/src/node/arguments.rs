//! How Node reads its command line: options first, then the script, then the script's own arguments.

/// Options whose value may be the next argument (node(1)).
const WITH_VALUE: &[&str] = &[
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
    "--title",
    "--inspect-port",
    "--debug-port",
    "--env-file",
    "--env-file-if-exists",
    "--input-type",
    "--icu-data-dir",
    "--stack-trace-limit",
    "--max-http-header-size",
    "--diagnostic-dir",
    "--openssl-config",
    "--redirect-warnings",
];

/// Node's own options and the script, of a command line without its program.
pub(super) fn split(arguments: &[String]) -> (&[String], Option<&str>) {
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        if argument == "--" {
            return (&arguments[..at], arguments.get(at + 1).map(String::as_str));
        }
        if !argument.starts_with('-') || argument == "-" {
            return (&arguments[..at], Some(argument));
        }
        if ["-e", "--eval", "-p", "--print", "-pe"].contains(&argument.as_str()) {
            return (arguments, None);
        }
        at += if WITH_VALUE.contains(&argument.as_str()) {
            2
        } else {
            1
        };
    }
    (arguments, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_the_script() {
        for (line, options, script) in [
            ("worker.js --inspect", "", Some("worker.js")),
            (
                "-r ./a.js --inspect=0 worker.js x",
                "-r ./a.js --inspect=0",
                Some("worker.js"),
            ),
            ("--require=./a.js -- -odd.js", "--require=./a.js", Some("-odd.js")),
            ("--inspect -e 1+1", "--inspect -e 1+1", None),
            ("--import", "--import", None),
            ("", "", None),
        ] {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let (found_options, found_script) = split(&arguments);
            assert_eq!(
                (found_options.join(" ").as_str(), found_script),
                (options, script),
                "{line}"
            );
        }
    }
}
