//! What Lambda does between a queue and the worker: it brings batches of messages, and deletes those
//! that the worker did not name as failed.

use aws_sdk_sqs::Client;
use serde_json::{Value, json};

use super::runtime::{Function, Invoked};
use crate::sqs::{client, wait};

/// Messages in one batch, at most.
const BATCH: i32 = 10;

/// The queue of jobs.
pub(super) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub(super) fn new(endpoint: &str, url: &str) -> Self {
        Self { client: client(endpoint), url: url.to_owned() }
    }

    /// Brings all waiting messages to `worker`. On AWS this happens beside the requests; here it
    /// happens behind the one that queued them, so that a test sees what came of it.
    pub(super) fn deliver(&self, worker: &Function) {
        loop {
            let receive = self.client.receive_message().queue_url(&self.url);
            let receive = receive.max_number_of_messages(BATCH).visibility_timeout(60);
            let Ok(answer) = wait(async { receive.send().await }) else { return };
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            let record = |message: &aws_sdk_sqs::types::Message| {
                json!({
                    "messageId": message.message_id,
                    "receiptHandle": message.receipt_handle,
                    "body": message.body,
                    "attributes": { "ApproximateReceiveCount": "1", "SenderId": "AIDA" },
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
                    "awsRegion": "us-east-1",
                })
            };
            let records: Vec<Value> = messages.iter().map(record).collect();
            let invoked = worker.invoke(&json!({ "Records": records }).to_string());
            let Invoked::Answered { body, .. } = invoked else { return };
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
            for message in messages {
                let id = message.message_id.unwrap_or_default();
                if failures.iter().any(|failure| failure["itemIdentifier"] == *id) {
                    return;
                }
                let delete = self.client.delete_message().queue_url(&self.url);
                let delete = delete.receipt_handle(message.receipt_handle.unwrap_or_default());
                let _ = wait(async { delete.send().await });
            }
        }
    }
}
