//! (landing)
pub mod graphql; pub mod store;
pub use entity::task::Model as Task;
