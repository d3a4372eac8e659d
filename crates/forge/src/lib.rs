//! Where sources live: the `git` program behind one safe wrapper.

pub mod git;
