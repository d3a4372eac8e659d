//! The registry on AWS: the ports on DynamoDB, S3 and SQS, and what the functions' `bootstrap` is
//! made of.

pub mod dynamo;
pub mod s3;
