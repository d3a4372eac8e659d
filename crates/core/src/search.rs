//! Search over one small index.
