//! Packs of Attune: installed from every kind of source, against local servers; refused without a trace;
//! listed in indices that are updated, merged and signed.

mod indices;
mod installing;
mod place;
mod refusing;
mod server;
mod ssh;
