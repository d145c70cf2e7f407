//! (landing)
pub mod graphql; pub mod store;
pub use entity::export::Model as Export;
