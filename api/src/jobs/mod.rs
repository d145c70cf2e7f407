//! (landing)
pub mod graphql;
pub mod store;
pub use entity::job::Model as Job;
