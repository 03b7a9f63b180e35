//! Image names: `[registry[:port]/]path[:tag][@sha256:digest]`.
//!
//! Follows the grammar of the distribution project's reference format, so that
//! a name that passes here is one that an engine can read. Must never look an
//! image up.
//! Next: `units.rs` (`ImageName`).

/// What is wrong with the name of an image, as a hint; none when it is right.
pub(crate) fn fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("name an image with its tag, such as `shop:1.4`".to_owned());
    }
    if text.chars().any(|c| !c.is_ascii_graphic()) {
        return Some("an image name has no spaces and only ASCII letters".to_owned());
    }
    if let Some((_, rest)) = text.split_once("://") {
        return Some(format!(
            "an image name has no scheme: did you mean `{rest}`?"
        ));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("a digest is `sha256:` and 64 hexadecimal digits".to_owned());
    }
    let (path, tag) = split_tag(name);
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("a tag has letters, digits, `_`, `.` and `-`, at most 128".to_owned());
    }
    let mut parts = path.split('/').peekable();
    if path.contains('/') && parts.peek().is_some_and(|first| is_registry(first)) {
        parts.next();
    }
    if parts.all(is_path_part) {
        return None;
    }
    let lower = text.to_lowercase();
    Some(if lower != text && fault(&lower).is_none() {
        format!("the path of an image is lower case: did you mean `{lower}`?")
    } else {
        "an image is named `path:tag` or `registry/path:tag`".to_owned()
    })
}

/// The tag is what follows the last colon, unless that is a registry's port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    }
}

fn is_registry(part: &str) -> bool {
    let (host, port) = part.split_once(':').unwrap_or((part, "1"));
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let looks_like_one = part.contains(['.', ':']) || part == "localhost";
    looks_like_one && is_host && is_port
}

fn is_path_part(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && part
            .chars()
            .all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn names_that_an_engine_reads_pass_and_others_do_not() {
        let digest = "a".repeat(64);
        for right in [
            "shop",
            "shop:1.4",
            "grafana/grafana:11.0",
            "registry.example:5000/team/shop:1.4",
            "localhost/shop",
            &format!("shop:1.4@sha256:{digest}"),
        ] {
            assert_eq!(fault(right), None, "`{right}` is an image's name");
        }
        for wrong in [
            "",
            "a b",
            "Shop:1",
            "shop:",
            "shop:-x",
            "shop@sha256:12",
            "/shop",
            "a//b",
            "shop/",
            "https://r/x",
        ] {
            assert!(fault(wrong).is_some(), "`{wrong}` is no image's name");
        }
    }
}
