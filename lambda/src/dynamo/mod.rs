//! The ledger on DynamoDB: one table, no scan.
//!
//! `key` says where each record lies, `item` how; [`DynamoLedger`] is the port. How a verb becomes
//! one serializable transaction stands in `engine`.
//!
//! # Hot partitions
//!
//! Every seal turns the item `feed`: that is what makes events gapless and trains atomic, and it
//! bounds a registry to a few dozen seals a second, a train of any length counting as one. An
//! item takes 1,000 writes a second, so DynamoDB does not throttle there first; those who come at
//! once try again with jitter, and after five seconds are told to come back. Reads of `feed`, one a
//! request, are bounded at 3,000 consistent ones a second on one partition: behind the CDN only
//! what it does not hold gets here. Everything else is spread over packages, publishers and tokens.

mod engine;
mod item;
mod key;
mod ledger;
mod quota;
mod records;
mod rows;
mod snapshot;
mod table;
mod turns;

pub use ledger::{DynamoLedger, create_table};
pub use records::{MemoryRecords, Records};
pub use turns::DynamoTurns;
