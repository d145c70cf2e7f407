//! Ids at the door: an id of another type is `BAD_USER_INPUT`.

use std::str::FromStr;

use async_graphql::ID;
use contract::IdError;

use crate::Error;

/// Reads an id that stands at `path` of the input.
pub fn parse<T>(id: &ID, path: &str) -> Result<T, Error>
where
    T: FromStr<Err = IdError>,
{
    id.parse()
        .map_err(|error: IdError| Error::input(path, error.to_string()))
}

/// Reads an id that may be absent.
pub fn parse_option<T>(id: Option<&ID>, path: &str) -> Result<Option<T>, Error>
where
    T: FromStr<Err = IdError>,
{
    id.map(|id| parse(id, path)).transpose()
}

/// Reads a list of ids, `1..=max` of them.
pub fn parse_list<T>(ids: &[ID], path: &str, max: usize) -> Result<Vec<T>, Error>
where
    T: FromStr<Err = IdError>,
{
    check_count(ids.len(), path, max)?;
    ids.iter()
        .enumerate()
        .map(|(index, id)| parse(id, &format!("{path}.{index}")))
        .collect()
}

/// Refuses a list that is empty or too long.
pub fn check_count(count: usize, path: &str, max: usize) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::input(path, "the list is empty"));
    }
    if count > max {
        return Err(Error::Limit(format!(
            "{path} has {count} items; at most {max} may be sent in one call"
        )));
    }
    Ok(())
}

/// The public form of an id.
pub fn id(id: impl std::fmt::Display) -> ID {
    ID(id.to_string())
}
