//! The registry on AWS: the ports on DynamoDB and S3, and what the functions' `bootstrap` is
//! made of.

pub mod access_logs;
pub mod aws;
pub mod config;
pub mod dynamo;
pub mod event;
pub mod function;
pub mod jobs;
pub mod observe;
pub mod s3;
pub mod views;
