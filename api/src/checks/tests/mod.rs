//! Evidence, decisions and waiting, each as a table; results and people against a database.

mod deciding;
mod evidence;
mod moving;
mod people;
mod reporting;
mod second_look;
mod waiting;
