//! (landing)
use crate::{App, Error, unit::Unit, versions::Version};
pub async fn start_for_upload(_: &mut Unit, _: &[Version]) -> Result<(), Error> { Ok(()) }
pub async fn why_waiting(_: &App, _: &Version) -> Result<Option<String>, Error> { Ok(None) }
