//! bagit
