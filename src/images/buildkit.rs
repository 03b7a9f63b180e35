//! What only BuildKit understands in a Dockerfile.
//!
//! scalectl builds by the builder that every engine has, which ends with an
//! unclear message at such an instruction; so it is looked for beforehand.
//! Source: the Dockerfile reference, which marks each of them.

/// The first instruction that needs BuildKit.
pub(crate) fn needed(dockerfile: &str) -> Option<String> {
    let mut instruction = String::new();
    for line in dockerfile.lines().map(str::trim) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        instruction.push_str(line.trim_end_matches('\\').trim_end());
        if line.ends_with('\\') {
            instruction.push(' ');
            continue;
        }
        if needs_it(&instruction) {
            return Some(instruction);
        }
        instruction.clear();
    }
    None
}

fn needs_it(instruction: &str) -> bool {
    let mut words = instruction.split_whitespace();
    let name = words.next().unwrap_or_default().to_ascii_uppercase();
    let flags: &[&str] = match name.as_str() {
        "RUN" => &["--mount", "--network", "--security", "--device"],
        "COPY" | "ADD" => &[
            "--chmod",
            "--link",
            "--parents",
            "--exclude",
            "--checksum",
            "--keep-git-dir",
            "--unpack",
        ],
        _ => return false,
    };
    let words: Vec<_> = words.collect();
    let given = words.iter().take_while(|word| word.starts_with("--"));
    let mut given = given.map(|word| word.split('=').next().unwrap_or_default());
    given.any(|flag| flags.contains(&flag)) || words.iter().any(|word| is_heredoc(&name, word))
}

/// `<<EOF`, `<<-EOF`, `<<"EOF"`. In a shell line `<<<` and `$((1<<3))` are
/// something else, and so is what comes after an open quote.
fn is_heredoc(instruction: &str, word: &str) -> bool {
    let Some(rest) = word.strip_prefix("<<") else {
        return false;
    };
    let label = rest.trim_start_matches('-').trim_matches(['"', '\'']);
    let is_name = label.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    is_name && matches!(instruction, "RUN" | "COPY" | "ADD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_beyond_the_plain_builder_are_found_wherever_they_stand() {
        for text in [
            "FROM x\nRUN --mount=type=cache,target=/var/cache pip install .\n",
            "FROM x\nrun \\\n  --network=none make\n",
            "FROM x\nCOPY --from=y --chmod=755 a b\n",
            "FROM x\nCOPY --link a b\n",
            "FROM x\nRUN <<EOF\necho\nEOF\n",
            "FROM x\nCOPY <<-'END' /a\n",
        ] {
            assert!(needed(text).is_some(), "must be found:\n{text}");
        }
        for text in [
            "FROM --platform=linux/amd64 x\nRUN make --mount=1\n",
            "# RUN --mount=x\nFROM x\nCOPY --from=y --chown=1:1 a b\nRUN echo $((1<<3)) && cat <<< a\n",
        ] {
            assert_eq!(needed(text), None, "must be left alone:\n{text}");
        }
    }

    #[test]
    fn the_whole_instruction_is_told() {
        let found = needed("FROM x\nRUN \\\n --mount=type=ssh \\\n git clone\n");
        assert_eq!(found.unwrap(), "RUN --mount=type=ssh git clone");
    }
}
