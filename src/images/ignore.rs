//! .dockerignore: what of a folder is not sent to a build.
//!
//! The last pattern that matches decides. Source: Docker's documentation of the
//! .dockerignore file. Next: `folder.rs` (who asks).

use std::path::Path;

/// The patterns of one file.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    /// Whether it leaves out, and the pattern.
    rules: Vec<(bool, String)>,
}

impl Ignored {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rule = |line: &str| match line.strip_prefix('!') {
            Some(pattern) => (false, clean(pattern)),
            None => (true, clean(line)),
        };
        Self {
            rules: lines.map(rule).collect(),
        }
    }

    /// Whether `path`, or a folder that it lies in, is left out.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let holds = |pattern: &str| {
            path.ancestors()
                .any(|part| !part.as_os_str().is_empty() && glob(pattern, &part.to_string_lossy()))
        };
        let mut rules = self.rules.iter().rev();
        rules
            .find(|(_, pattern)| holds(pattern))
            .is_some_and(|(is_out, _)| *is_out)
    }

    /// A folder can be passed over whole when no exception could lie in it.
    pub(crate) fn may_skip_folder(&self, path: &Path) -> bool {
        self.matches(path) && self.rules.iter().all(|(is_out, _)| *is_out)
    }
}

fn clean(pattern: &str) -> String {
    let parts = pattern.trim().split('/');
    let parts: Vec<_> = parts
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    parts.join("/")
}

/// `*`, `?` and `[a-z]` within one name, `**` across folders, `\` before what
/// is meant as it stands.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), text.split('/').collect());
    glob_parts(&pattern, &text)
}

fn glob_parts(pattern: &[&str], text: &[&str]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=text.len()).any(|skip| glob_parts(rest, &text[skip..])),
        ([first, rest @ ..], [name, names @ ..]) => {
            let (first, name): (Vec<_>, Vec<_>) = (first.chars().collect(), name.chars().collect());
            glob_name(&first, &name) && glob_parts(rest, names)
        }
        _ => false,
    }
}

fn glob_name(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', '*', rest @ ..], _) => glob_name(&[&['*'], rest].concat(), name),
        (['*', rest @ ..], _) => (0..=name.len()).any(|skip| glob_name(rest, &name[skip..])),
        (['?', rest @ ..], [_, names @ ..]) => glob_name(rest, names),
        (['[', ..], [letter, names @ ..]) => match class(pattern, *letter) {
            Some((true, rest)) => glob_name(rest, names),
            _ => false,
        },
        (['\\', first, rest @ ..], [letter, names @ ..]) => {
            first == letter && glob_name(rest, names)
        }
        ([first, rest @ ..], [letter, names @ ..]) => first == letter && glob_name(rest, names),
        _ => false,
    }
}

/// Whether `letter` is in the class that a pattern starts with, and what comes
/// after it; none if the class does not end.
fn class(pattern: &[char], letter: char) -> Option<(bool, &[char])> {
    let end = pattern.iter().skip(2).position(|it| *it == ']')? + 2;
    let inside = &pattern[1..end];
    let (is_turned, mut inside) = match inside.strip_prefix(&['^']) {
        Some(rest) => (true, rest),
        None => (false, inside),
    };
    let mut holds = false;
    while let Some((first, rest)) = inside.split_first() {
        (inside, holds) = match rest {
            ['-', last, rest @ ..] => (rest, holds || (*first..=*last).contains(&letter)),
            _ => (rest, holds || *first == letter),
        };
    }
    Some((holds != is_turned, &pattern[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_decide_as_docker_has_it() {
        let ignored = Ignored::read(
            "# note\n*.log\nnode_modules\n**/cache\n!keep.log\n/docs/\n./tmp[0-9]\nodd\\*\n",
        );
        let is_out = |path: &str| ignored.matches(Path::new(path));
        for path in [
            "a.log",
            "node_modules/x/y.js",
            "deep/down/cache/f",
            "docs/a.md",
            "tmp7/x",
            "odd*",
        ] {
            assert!(is_out(path), "{path} must be left out");
        }
        for path in ["keep.log", "src/a.rs", "sub/a.log", "tmpx", "odder"] {
            assert!(!is_out(path), "{path} must be sent");
        }
    }

    #[test]
    fn a_folder_with_a_possible_exception_in_it_is_looked_into() {
        let path = Path::new("build");
        assert!(Ignored::read("build").may_skip_folder(path));
        assert!(!Ignored::read("build\n!build/keep").may_skip_folder(path));
    }
}
