//! `--image NAME=IMAGE`: another image for this once.

use scalectl_model::{App, Component, ImageName, Source};

/// Images for this once, in place of those that scale.yaml names.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct ImageArgs {
    /// Take this image of `app` or of a component, this once, in place of what scale.yaml says
    #[arg(long = "image", value_name = "NAME=IMAGE", value_parser = ImageChoice::parse)]
    pub images: Vec<ImageChoice>,
}

/// One image and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// None is the app.
    component: Option<Component>,
    image: ImageName,
}

impl ImageChoice {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, image) = text
            .split_once('=')
            .ok_or("it is written `NAME=IMAGE`, such as `app=shop:1.4`")?;
        let component = match name {
            "app" => None,
            _ => Some(component(name)?),
        };
        Ok(Self {
            component,
            image: image.parse()?,
        })
    }

    /// Puts the image into the app model.
    pub fn apply(&self, app: &mut App) {
        match self.component {
            None => app.app.source = Source::Image(self.image.clone()),
            Some(component) => drop(app.images.insert(component, self.image.clone())),
        }
    }
}

fn component(name: &str) -> Result<Component, String> {
    let mut all = Component::ALL.iter().copied();
    all.find(|component| component.as_str() == name)
        .ok_or_else(|| {
            let names = Component::ALL.iter().map(|component| component.as_str());
            format!(
                "images are of app, {}",
                names.collect::<Vec<_>>().join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_chosen_for_the_app_or_for_a_component() {
        let read = |text| ImageChoice::parse(text).map(|it| it.component);
        assert_eq!(read("app=registry.local:5000/shop:1.4"), Ok(None));
        assert_eq!(read("cache=valkey:8.1"), Ok(Some(Component::Cache)));
        for text in ["shop:1.4", "app=", "app=No Name", "bootstrap=a:1"] {
            assert!(read(text).is_err(), "`{text}` names no image of anything");
        }
    }
}
