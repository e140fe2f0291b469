//! How Python reads its command line: options first, then `-c`, `-m` or the script (python(1)).

/// Why a Python process loads no agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// `-I`: neither the environment nor the user's folder is looked at.
    Isolated,
    /// `-E`: `PYTHONPATH` is ignored.
    NoEnvironment,
    /// `-S`: nothing is loaded before the program.
    NoSite,
}

impl Escape {
    /// The option, and what to do.
    pub fn hint(self) -> &'static str {
        match self {
            Escape::Isolated => {
                "`-I` makes Python ignore PYTHONPATH, so no agent was loaded: start the worker without `-I` \
                 (or with `-s -P` instead) while it is watched"
            }
            Escape::NoEnvironment => {
                "`-E` makes Python ignore PYTHONPATH, so no agent was loaded: start the worker without `-E` \
                 while it is watched"
            }
            Escape::NoSite => {
                "`-S` keeps Python from loading its `site` module, so no agent was loaded: start the worker \
                 without `-S` while it is watched"
            }
        }
    }
}

/// What the program of a command line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program<'a> {
    /// A file.
    Script(&'a str),
    /// `-m`.
    Module(&'a str),
    /// `-c`, standard input, or none.
    Other,
}

/// Short options whose value is the rest of the word or the next one.
const WITH_VALUE: &[char] = &['W', 'X'];

/// The option that keeps the agent out, if there is one, of a command line without its program.
pub fn escape(arguments: &[String]) -> Option<Escape> {
    let mut found = None;
    walk(arguments, |letter| {
        let escape = match letter {
            'I' => Escape::Isolated,
            'E' => Escape::NoEnvironment,
            'S' => Escape::NoSite,
            _ => return,
        };
        found.get_or_insert(escape);
    });
    found
}

/// The program of a command line without its interpreter.
pub(super) fn program(arguments: &[String]) -> Program<'_> {
    walk(arguments, |_| {})
}

fn walk(arguments: &[String], mut option: impl FnMut(char)) -> Program<'_> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return if word == "-" {
                Program::Other
            } else {
                Program::Script(word)
            };
        };
        if letters.starts_with('-') {
            if word == "--check-hash-based-pycs" {
                words.next();
            }
            continue;
        }
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            match letter {
                'c' => return Program::Other,
                'm' => {
                    let module = if rest.is_empty() {
                        words.next().map(String::as_str)
                    } else {
                        Some(rest)
                    };
                    return module.map_or(Program::Other, Program::Module);
                }
                letter if WITH_VALUE.contains(&letter) => {
                    if rest.is_empty() {
                        words.next();
                    }
                    break;
                }
                letter => option(letter),
            }
        }
    }
    Program::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_end_at_the_program() {
        for (line, expected) in [
            ("worker.py -I", Program::Script("worker.py")),
            ("-u -X dev worker.py", Program::Script("worker.py")),
            ("-Xdev -W ignore -m celery -A app", Program::Module("celery")),
            ("-um rq.cli worker", Program::Module("rq.cli")),
            ("-mdramatiq app", Program::Module("dramatiq")),
            ("-c pass", Program::Other),
            ("-", Program::Other),
            ("-W", Program::Other),
            ("", Program::Other),
        ] {
            assert_eq!(program(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn escapes_are_told() {
        for (line, expected) in [
            ("-I worker.py", Some(Escape::Isolated)),
            ("-uE worker.py", Some(Escape::NoEnvironment)),
            ("-S -m celery", Some(Escape::NoSite)),
            ("worker.py -I", None),
            ("-X importtime -W error::SyntaxWarning worker.py", None),
            ("-m app -E", None),
        ] {
            assert_eq!(escape(&words(line)), expected, "{line}");
        }
    }
}
