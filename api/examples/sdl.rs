//! Prints the schema.
fn main() { print!("{}", api::graphql::sdl()); }
