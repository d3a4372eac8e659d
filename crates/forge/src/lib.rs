//! Git and GitHub: what a checkout or a commit says of itself, and what is said to a pull request.

pub mod git;
pub mod github;
pub mod rebuild;
pub mod review;
mod whole;
