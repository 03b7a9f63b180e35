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
    /// Its build fetches over TLS, so that a network's own authority may be needed.
    pub fetches_by_tls: bool,
    /// The first phase that uses it.
    pub since_phase: u8,
}

/// Every image of scalectl's own.
pub const CATALOGUE: [Recipe; 8] = [
    recipe("agent", false, 1),
    recipe("etcd", false, 1),
    recipe("postgres", false, 1),
    recipe("pgbouncer", false, 1),
    recipe("envoy", true, 1),
    recipe("valkey", false, 2),
    recipe("prometheus", false, 2),
    recipe("exporters", false, 2),
];

const fn recipe(name: &'static str, fetches_by_tls: bool, since_phase: u8) -> Recipe {
    Recipe {
        name,
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

    /// Whether its Dockerfile takes files from the agent's image: only those are
    /// made anew, and their containers replaced, with another scalectl.
    pub(crate) fn needs_agent(&self) -> bool {
        let path = format!("{}/Dockerfile", self.name);
        let dockerfile = Embedded::get(&path).map(|file| file.data.into_owned());
        let text = String::from_utf8(dockerfile.unwrap_or_default()).unwrap_or_default();
        text.lines().any(|line| line.starts_with("ARG AGENT="))
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

    /// An anonymous volume has no label that tells whose it is.
    #[test]
    fn no_image_declares_a_volume_that_a_mount_could_miss() {
        for recipe in CATALOGUE {
            for (path, text) in recipe.files() {
                let text = String::from_utf8_lossy(&text).to_uppercase();
                let declares = |line: &str| line.trim_start().starts_with("VOLUME");
                let is_recipe = path.ends_with("Dockerfile");
                assert!(
                    !(is_recipe && text.lines().any(declares)),
                    "images/{}/{path} declares a volume",
                    recipe.name
                );
            }
        }
    }

    #[test]
    fn only_images_that_hold_the_program_are_made_anew_with_another_scalectl() {
        let needing = CATALOGUE.iter().filter(|recipe| recipe.needs_agent());
        let needing: Vec<_> = needing.map(|recipe| recipe.name).collect();
        assert_eq!(needing, ["envoy", "valkey", "prometheus", "exporters"]);
    }
}
