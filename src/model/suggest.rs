//! Suggestions: what a person probably meant.
//!
//! Every text here ends up behind "help:". Must never suggest a thing that
//! would be refused itself.
//! Next: `mistakes.rs` (who carries the hints).

/// The candidate nearest to `word`, if one is near enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    candidates
        .iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                *candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "did you mean", or else the list of what can be said.
pub(crate) fn one_of(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", listed(candidates)),
    }
}

/// `a, b, c`
pub(crate) fn listed(words: &[&str]) -> String {
    words.join(", ")
}

/// `1, 2 and 3`
pub(crate) fn and(words: &[String]) -> String {
    match words {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A right name made of a wrong one.
pub(crate) fn name(text: &str) -> Option<String> {
    let mapped: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let start = mapped.find(|c: char| c.is_ascii_lowercase())?;
    let mut near = String::new();
    for word in mapped[start..].split('-').filter(|word| !word.is_empty()) {
        if !near.is_empty() {
            near.push('-');
        }
        near.push_str(word);
    }
    near.truncate(crate::units::Name::MAX_LENGTH);
    Some(near.trim_end_matches('-').to_owned())
}

/// What to do about a host name that is none.
pub(crate) fn host(text: &str) -> String {
    let rule = "a host name has labels of a-z, 0-9 and `-` with points between them";
    let bare = text.split("://").last().unwrap_or(text);
    let bare = bare.split(['/', ':']).next().unwrap_or(bare).to_lowercase();
    if bare != text && <crate::units::HostName as crate::units::Text>::parse(&bare).is_ok() {
        return format!("did you mean `{bare}`? {rule}");
    }
    rule.to_owned()
}

/// What to do about a variable's name that is none.
pub(crate) fn env_name(text: &str) -> String {
    let rule = "a variable's name has letters, digits and `_`, and does not start with a digit";
    let near: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if near != text
        && near.chars().any(|c| c.is_ascii_alphabetic())
        && !near.starts_with(|c: char| c.is_ascii_digit())
    {
        return format!("did you mean `{near}`? {rule}");
    }
    rule.to_owned()
}
