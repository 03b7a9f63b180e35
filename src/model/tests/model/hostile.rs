//! Texts that nobody means well with.

use proptest::prelude::*;
use scalectl_model::{Folder, init, load};

use crate::{app, facts};

/// Loads, and walks through every message: no input may end in a panic.
fn survives(text: &str) {
    if let Err(mistakes) = load(text, "scale.yaml", &facts(), 1) {
        assert!(!mistakes.all().is_empty(), "an error says what is wrong");
        for mistake in mistakes.all() {
            let end = mistake.at.offset() + mistake.at.len();
            assert!(
                text.is_char_boundary(mistake.at.offset()),
                "{mistake} starts inside of a character"
            );
            assert!(
                text.is_char_boundary(end),
                "{mistake} ends inside of a character"
            );
        }
        crate::printed(&mistakes);
    }
}

#[test]
fn known_traps_are_refused_without_harm() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(50_000),
        "&a [*a]".to_owned(),
        "a: &x [1,1,1,1,1,1,1,1]\nb: &y [*x,*x,*x,*x,*x,*x,*x,*x]\nc: &z [*y,*y,*y,*y,*y,*y,*y,*y]\n\
         d: &w [*z,*z,*z,*z,*z,*z,*z,*z]\ne: [*w,*w,*w,*w,*w,*w,*w,*w]"
            .to_owned(),
        "? [a]\n: b".to_owned(),
        "\0".to_owned(),
        "name: \"\\ud800\"".to_owned(),
        "%YAML 9.9\n---\nname: shop".to_owned(),
        "name: shop\n---\nname: shop2".to_owned(),
        "name: !!binary aGk=".to_owned(),
        "\u{2028}name: sh\u{e4}p\u{1f600}".to_owned(),
        "<<: {name: shop}".to_owned(),
        format!("name: {}", "a".repeat(1_000_000)),
        chain_of_references(5_000),
    ] {
        survives(&text);
    }
}

/// `V0: ${V1}`, `V1: ${V2}` and so on.
fn chain_of_references(length: usize) -> String {
    let mut text = "name: shop\napp:\n  build: .\n  env:\n".to_owned();
    for i in 0..length {
        text.push_str(&format!("    V{i}: ${{V{}}}\n", i + 1));
    }
    text + &format!("    V{length}: end\n")
}

#[test]
fn a_long_chain_of_references_is_followed_to_its_end() {
    assert_eq!(app(&chain_of_references(2_000), 1).app.env["V0"], "end");
}

/// Values that double with each reference must not fill the memory.
#[test]
fn references_that_multiply_are_refused() {
    let mut text = "name: shop\napp:\n  build: .\n  env:\n".to_owned();
    for i in 0..64 {
        text.push_str(&format!("    V{i}: ${{V{}}}${{V{}}}\n", i + 1, i + 1));
    }
    text.push_str("    V64: end\n");
    survives(&text);
}

/// A text in double quotes, every character escaped that YAML may mind.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| format!("\\U{:08X}", u32::from(c)))
        .collect();
    format!("\"{escaped}\"")
}

/// Pieces of YAML and of the schema, so that random files get far.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "name: shop\n",
        "app:\n",
        "  build: .\n",
        "  image: x\n",
        "  env:\n",
        "    A: ${B}\n",
        "    B: ${A}\n",
        "  command: ",
        "[a, b]\n",
        "\"a b\"\n",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ": ",
        ", ",
        "\n",
        "  ",
        "- ",
        "# c\n",
        "phases:\n",
        "  \"2\":\n",
        "    app: {}\n",
        "edge: {http: 1}\n",
        "database:\n",
        "  size: 1Gi\n",
        "&a ",
        "*a ",
        "!t ",
        "|\n",
        "\t",
        "\u{e4}",
        "${",
        "9",
        "~",
        "---\n",
        "  workers: {w: {command: x}}\n",
        "cache:\n",
        "monitoring: {port: 8080}\n",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_text_of_yaml_pieces_is_read_or_refused(pieces in prop::collection::vec(piece(), 0..30)) {
        survives(&pieces.concat());
    }

    /// What a person puts into quotes arrives as it is, whatever it is.
    #[test]
    fn hostile_values_arrive_unchanged(value in any::<String>(), word in "[^\0]+") {
        let value = value.replace('\0', "");
        let text = format!(
            "name: shop\napp:\n  build: .\n  command: [{}]\n  env: {{A: {}}}\n",
            quoted(&word), quoted(&value.replace("${", "$${")),
        );
        let app = app(&text, 1).app;
        prop_assert_eq!(&app.env["A"], &value);
        prop_assert_eq!(app.command.as_ref().expect("there is one").words(), &[word]);
    }

    #[test]
    fn a_dockerfile_of_any_text_gives_a_file_that_loads(
        name in any::<String>(),
        lines in prop::collection::vec("(FROM|EXPOSE|CMD|ENTRYPOINT|ARG|ENV|SHELL|RUN|#|) ?.{0,20}\\\\?", 0..8),
    ) {
        let dockerfile = Some(lines.join("\n"));
        app(&init(&Folder { name: name.clone(), dockerfile }), 2);
        app(&init(&Folder { name, dockerfile: None }), 1);
    }
}
