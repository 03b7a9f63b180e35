//! The catalogue: every image of scalectl's own, in the order of what stands on what.

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../images"]
struct Embedded;

/// How one image is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipe {
    /// Its folder in `images/`, and its name behind `scalectl/`.
    pub name: &'static str,
    /// Its Dockerfile takes files from the agent's image.
    pub needs_agent: bool,
    /// Its build fetches over TLS, so that a network's own authority may be needed.
    pub fetches_by_tls: bool,
    /// The first phase that uses it.
    pub since_phase: u8,
}

/// Every image of scalectl's own.
pub const CATALOGUE: [Recipe; 8] = [
    recipe("agent", false, false, 1),
    recipe("etcd", true, false, 1),
    recipe("postgres", true, false, 1),
    recipe("pgbouncer", true, false, 1),
    recipe("envoy", true, true, 1),
    recipe("valkey", true, false, 2),
    recipe("prometheus", true, false, 2),
    recipe("exporters", true, false, 2),
];

const fn recipe(
    name: &'static str,
    needs_agent: bool,
    fetches_by_tls: bool,
    since_phase: u8,
) -> Recipe {
    Recipe {
        name,
        needs_agent,
        fetches_by_tls,
        since_phase,
    }
}

/// The reference of an image of scalectl's own.
pub fn reference(name: &str, tag: &str) -> String {
    format!("scalectl/{name}:{tag}")
}

/// The base that every image stands on: a minimal Debian 13 under a name of
/// scalectl's own, so that nobody's `debian:*` is ever replaced.
pub fn base_reference() -> String {
    "scalectl/base:trixie".to_owned()
}

impl Recipe {
    /// The files of the recipe: path below its folder, and content.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let prefix = format!("{}/", self.name);
        Embedded::iter()
            .filter_map(|path| {
                let below = path.strip_prefix(&prefix)?.to_owned();
                Some((below, Embedded::get(&path)?.data.into_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_has_a_dockerfile_that_takes_the_base_as_an_argument() {
        for recipe in CATALOGUE {
            let files = recipe.files();
            let dockerfile = files.iter().find(|(path, _)| path == "Dockerfile");
            let (_, text) =
                dockerfile.unwrap_or_else(|| panic!("images/{} has a Dockerfile", recipe.name));
            let text = String::from_utf8_lossy(text);
            let is_from_scratch = text.lines().any(|line| line == "FROM scratch");
            assert!(
                is_from_scratch || text.contains("ARG BASE="),
                "images/{} must take BASE",
                recipe.name
            );
        }
    }
}
