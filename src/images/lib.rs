//! Images: what components are made from, and how each is built.
//!
//! The recipes in `images/` are part of the program. An image is built again
//! when its recipe or what it stands on has changed, known by a label that
//! holds their hash. Must never pull or tag anything but scalectl's own names
//! and the user's app.
//! Next: `catalogue.rs` (which there are), `construction.rs` (building them),
//! `app.rs` (the user's own image).

mod app;
mod archive;
mod buildkit;
mod catalogue;
mod check;
mod construction;
mod folder;
mod ignore;

pub use app::{AppBuild, AppImage, CONTEXT_LABEL};
pub use archive::{is_static, write_nothing};
pub use catalogue::{CATALOGUE, Recipe, base_reference, reference};
pub use check::{ImageState, Presence, check};
pub use construction::{Build, BuildEvent, ImageError, build};
