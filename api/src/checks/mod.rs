//! (landing)
pub mod graphql;
pub mod service;
pub mod store;
pub use entity::check::Model as Check;
