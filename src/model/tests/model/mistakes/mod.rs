//! How each mistake reads: the whole message, with place, cause and hint.
//!
//! One test a promise. Read a changed message as its reader will.

mod app;
mod build;
mod env;
mod phases;
mod secrets;
mod settings;
mod shape;
mod stack;
mod yaml;
