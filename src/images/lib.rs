//! Images: what components are made from, and how each is built.
//!
//! The recipes in `images/` are part of the program. An image is built again
//! when its recipe or what it stands on has changed, known by a label that
//! holds their hash. Must never pull or tag anything but scalectl's own names.
//! Next: `catalogue.rs` (which there are), `build.rs`, `context.rs` (archives).

mod catalogue;
mod check;
mod construction;
mod context;

pub use catalogue::{CATALOGUE, Recipe, base_reference, reference};
pub use check::{ImageState, check};
pub use construction::{Build, BuildEvent, ImageError, build};
pub use context::{app_context, is_static};
