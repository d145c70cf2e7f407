//! pronom
