//! (landing)
pub mod graphql; pub mod store;
pub use entity::event::Model as Event;
