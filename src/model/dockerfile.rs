//! Dockerfiles: what the last stage says about port and command.
//!
//! Reads as much of a Dockerfile as `init` needs: stages, EXPOSE, CMD,
//! ENTRYPOINT, SHELL, and the ARG and ENV that EXPOSE may use. Guesses nothing:
//! what cannot be read is left out. Must never fail.
//! Next: `init.rs` (who asks).

use std::collections::BTreeMap;

/// What the last stage of a Dockerfile says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dockerfile {
    /// The first TCP port of the first EXPOSE that has one.
    pub port: Option<u16>,
    /// ENTRYPOINT and CMD together, as they start.
    pub command: Option<Vec<String>>,
}

/// A stage while it is read.
#[derive(Debug, Clone, Default)]
struct Stage {
    name: String,
    port: Option<u16>,
    entrypoint: Option<Start>,
    cmd: Option<Start>,
    shell: Option<Vec<String>>,
    variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
enum Start {
    Exec(Vec<String>),
    Shell(String),
}

impl Dockerfile {
    pub fn read(text: &str) -> Self {
        let mut stages: Vec<Stage> = Vec::new();
        let mut global = Stage::default();
        for instruction in instructions(text) {
            let (word, rest) = split_word(&instruction);
            match (word.to_ascii_uppercase().as_str(), stages.last_mut()) {
                ("FROM", _) => stages.push(Stage::from(rest, &stages, &global)),
                (word, Some(stage)) => stage.take(word, rest),
                ("ARG", None) => global.take("ARG", rest),
                _ => {}
            }
        }
        let last = stages.pop().unwrap_or_default();
        Self {
            port: last.port,
            command: last.command(),
        }
    }
}

impl Stage {
    /// A new stage; one that builds on an earlier stage has what that had.
    fn from(rest: &str, earlier: &[Self], global: &Self) -> Self {
        let mut words = rest
            .split_whitespace()
            .filter(|word| !word.starts_with("--"));
        let base = expand(words.next().unwrap_or(""), &global.variables);
        let name = match words.next() {
            Some(word) if word.eq_ignore_ascii_case("as") => words.next().unwrap_or(""),
            _ => "",
        };
        let base = earlier
            .iter()
            .rev()
            .find(|stage| !stage.name.is_empty() && stage.name.eq_ignore_ascii_case(&base));
        Self {
            name: name.to_owned(),
            ..base.cloned().unwrap_or_default()
        }
    }

    fn take(&mut self, word: &str, rest: &str) {
        match word {
            "EXPOSE" => self.port = self.port.or_else(|| port(&expand(rest, &self.variables))),
            "CMD" => self.cmd = Some(Start::read(rest)),
            "ENTRYPOINT" => {
                self.entrypoint = Some(Start::read(rest));
                // Docker forgets an inherited CMD here; one of this stage follows.
                self.cmd = None;
            }
            "SHELL" => self.shell = serde_json::from_str(rest).ok(),
            "ENV" | "ARG" => self.set_variables(rest),
            _ => {}
        }
    }

    /// `NAME=value NAME2=value2`, or the old `NAME value`.
    fn set_variables(&mut self, rest: &str) {
        let (name, value) = split_word(rest);
        if !name.contains('=') {
            self.variables.insert(name.to_owned(), value.to_owned());
            return;
        }
        for (name, value) in rest
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
        {
            let value = expand(value.trim_matches(['"', '\'']), &self.variables);
            self.variables.insert(name.to_owned(), value);
        }
    }

    /// How Docker starts it: a shell form of ENTRYPOINT ignores CMD.
    fn command(&self) -> Option<Vec<String>> {
        let words = |start: &Start| match start {
            Start::Exec(words) => words.clone(),
            Start::Shell(line) => {
                let shell = self.shell.clone();
                let mut words =
                    shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
                words.push(line.clone());
                words
            }
        };
        let command = match (&self.entrypoint, &self.cmd) {
            (Some(Start::Exec(entrypoint)), Some(cmd)) => {
                entrypoint.iter().cloned().chain(words(cmd)).collect()
            }
            (Some(entrypoint), _) => words(entrypoint),
            (None, Some(cmd)) => words(cmd),
            (None, None) => return None,
        };
        Some(command).filter(|command| command.first().is_some_and(|word| !word.is_empty()))
    }
}

impl Start {
    /// A JSON list of texts is the exec form; all else goes to a shell.
    fn read(rest: &str) -> Self {
        match serde_json::from_str(rest) {
            Ok(words) => Self::Exec(words),
            Err(_) => Self::Shell(rest.to_owned()),
        }
    }
}

/// The first TCP port of `8000 9000/udp`.
fn port(rest: &str) -> Option<u16> {
    rest.split_whitespace().find_map(|word| {
        let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
        let first = ports.split('-').next()?;
        let port = first.parse().ok().filter(|port| *port != 0)?;
        protocol.eq_ignore_ascii_case("tcp").then_some(port)
    })
}

/// Replaces `$NAME`, `${NAME}` and `${NAME:-default}`.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (inner, behind) = match after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        {
            Some(braced) => braced,
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
            }
        };
        let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
        expanded.push_str(variables.get(name).map_or(default, String::as_str));
        rest = behind;
    }
    expanded + rest
}

/// One instruction a line: comments, continuations and heredocs are dealt with.
fn instructions(text: &str) -> Vec<String> {
    let escape = if uses_backtick(text) { '`' } else { '\\' };
    let mut instructions = Vec::new();
    let mut open = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(line) = line.strip_suffix(escape) {
            open.push_str(line);
            open.push(' ');
            continue;
        }
        let instruction = std::mem::take(&mut open) + line;
        for end in heredocs(&instruction) {
            lines.find(|line| line.trim_start_matches('\t') == end);
        }
        instructions.push(instruction);
    }
    instructions.extend(Some(open).filter(|open| !open.is_empty()));
    instructions
}

/// The words that end the heredocs which `instruction` opens.
fn heredocs(instruction: &str) -> Vec<String> {
    let (word, rest) = split_word(instruction);
    if !["RUN", "COPY", "ADD"].contains(&word.to_ascii_uppercase().as_str()) {
        return Vec::new();
    }
    let words = rest
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("<<"));
    words
        .map(|word| {
            word.trim_start_matches('-')
                .trim_matches(['"', '\''])
                .to_owned()
        })
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .collect()
}

/// `# escape=` followed by a backtick, among the first comments.
fn uses_backtick(text: &str) -> bool {
    let comments = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    comments
        .map(|comment| comment.replace(' ', ""))
        .any(|comment| comment == "escape=`")
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<u16>, Option<String>) {
        let read = Dockerfile::read(text);
        (read.port, read.command.map(|words| words.join("|")))
    }

    fn said(port: u16, command: &str) -> (Option<u16>, Option<String>) {
        (Some(port), Some(command.to_owned()))
    }

    #[test]
    fn the_last_stage_counts_and_has_what_it_builds_on() {
        let text = "FROM rust AS build\nEXPOSE 1\nCMD [\"a\"]\nFROM debian as final\nEXPOSE 8000/tcp\n\
                    ENTRYPOINT [\"run\"]\nCMD [\"-v\"]\n";
        assert_eq!(read(text), said(8000, "run|-v"));
        let text = "FROM python AS base\nEXPOSE 5000\nCMD python app.py\nFROM BASE\nUSER 1000\n";
        assert_eq!(read(text), said(5000, "/bin/sh|-c|python app.py"));
        assert_eq!(read("FROM a AS base\nCMD [\"x\"]\nFROM b\n"), (None, None));
    }

    #[test]
    fn shell_and_exec_forms_start_as_docker_starts_them() {
        assert_eq!(
            read("FROM a\nEXPOSE 1\nENTRYPOINT run me\nCMD [\"x\"]"),
            said(1, "/bin/sh|-c|run me")
        );
        assert_eq!(
            read("FROM a\nEXPOSE 1\nCMD ['x']"),
            said(1, "/bin/sh|-c|['x']")
        );
        let text = "FROM a\nEXPOSE 1\nSHELL [\"/bin/bash\", \"-c\"]\nCMD x";
        assert_eq!(read(text), said(1, "/bin/bash|-c|x"));
        let text = "FROM a\nEXPOSE 1\nCMD [\"old\"]\nENTRYPOINT [\"new\"]";
        assert_eq!(read(text), said(1, "new"));
        assert_eq!(
            read("FROM a\nEXPOSE 1\nHEALTHCHECK CMD curl x\nCMD [\"ok\"]"),
            said(1, "ok")
        );
    }

    #[test]
    fn expose_may_use_variables_protocols_and_ranges() {
        for (line, port) in [
            ("EXPOSE 53/udp 80", Some(80)),
            ("EXPOSE 7000-7010", Some(7000)),
            ("ARG P=81\nENV Q=${P}\nEXPOSE $Q", Some(81)),
            ("ENV Q 82\nEXPOSE ${Q}", Some(82)),
            ("EXPOSE ${NONE:-83}", Some(83)),
            ("EXPOSE $NONE", None),
            ("EXPOSE 99999", None),
            ("expose 84", Some(84)),
        ] {
            assert_eq!(read(&format!("FROM a\n{line}\n")).0, port, "of `{line}`");
        }
    }

    #[test]
    fn continuations_comments_and_heredocs_hide_no_instruction_and_make_none() {
        let text = "# escape=\\\nFROM a\nRUN <<EOF\nEXPOSE 1\nEOF\nRUN x \\\n  # why\n  y\nEXPOSE \\\n 85\nCMD [\"a\", \\\n \"b\"]\n";
        assert_eq!(read(text), said(85, "a| b".replace(' ', "").as_str()));
        assert_eq!(
            read("# escape=`\nFROM a\nEXPOSE `\n86\nCMD [\"x\"]"),
            said(86, "x")
        );
    }
}
