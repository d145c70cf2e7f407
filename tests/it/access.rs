//! Who sees and may do what, over the wire.
