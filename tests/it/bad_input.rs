//! Bad input, each with its code.
