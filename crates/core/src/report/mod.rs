//! Findings and records, rendered for people and programs.
