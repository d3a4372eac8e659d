//! A registry is looked at from outside.
