//! `bootstrap`: the one binary of all functions.

fn main() {}
