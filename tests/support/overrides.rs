//! A stack's own templates: those of the program with one place changed.

use std::path::Path;

use super::Stack;

/// Changes one place of a template (the empty text: adds at its end) among those of the
/// stack's folder, which begin as a copy of the program's. Gives the folder for `--overrides`.
pub fn change(stack: &Stack, template: &str, from: &str, to: &str) -> String {
    let folder = stack.folder.join("overrides");
    let file = folder.join("templates/compose").join(template);
    if !file.exists() {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/compose");
        std::fs::create_dir_all(file.parent().expect("it has a folder"))
            .expect("folders can be made");
        std::fs::copy(original.join(template), &file).expect("a template can be copied");
    }
    let text = std::fs::read_to_string(&file).expect("a template can be read");
    assert!(text.contains(from), "{template} has {from}");
    let text = match from {
        "" => text + to,
        _ => text.replacen(from, to, 1),
    };
    std::fs::write(&file, text).expect("a template can be written");
    folder.display().to_string()
}
