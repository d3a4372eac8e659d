//! [`Jobs`] on SQS, and the events in which Lambda brings them to the worker.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::MessageSystemAttributeName;
use jiff::{SignedDuration, Timestamp};
use packhouse_registry::ports::jobs::{ATTEMPTS, pause};
use packhouse_registry::ports::{Job, Jobs, StoreError, StoreResult, Taken};
use serde::Deserialize;

/// The longest time that SQS keeps a message hidden, in seconds.
const LONGEST: i64 = 43_200;

/// A standard queue. It may bring a job twice; after [`ATTEMPTS`] takes its redrive policy puts a job
/// aside into the queue of what failed.
#[derive(Clone, Debug)]
pub struct SqsJobs {
    client: Client,
    url: String,
}

impl SqsJobs {
    /// The queue at `url`. The client repeats what may pass.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Hides a taken job for so long from now on.
    async fn hide(&self, receipt: &str, time: SignedDuration) -> StoreResult<()> {
        let hide = self.client.change_message_visibility().queue_url(&self.url);
        let seconds = i32::try_from(time.as_secs().clamp(0, LONGEST)).unwrap_or(i32::MAX);
        let hidden = hide.receipt_handle(receipt).visibility_timeout(seconds).send().await;
        match hidden {
            Err(error) if !is_outdated(&error) => Err(fault("ChangeMessageVisibility", &error)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Jobs for SqsJobs {
    async fn enqueue(&self, job: Job, _now: Timestamp) -> StoreResult<()> {
        let body = serde_json::to_string(&job)
            .map_err(|e| StoreError::Broken(format!("a job is not JSON: {e}")))?;
        let send = self.client.send_message().queue_url(&self.url).message_body(body);
        send.send().await.map(drop).map_err(|error| fault("SendMessage", &error))
    }

    async fn take(&self, _now: Timestamp, lease: SignedDuration) -> StoreResult<Option<Taken>> {
        let seconds = i32::try_from(lease.as_secs().clamp(1, LONGEST)).unwrap_or(i32::MAX);
        let receive = self.client.receive_message().queue_url(&self.url);
        let receive = receive.visibility_timeout(seconds).max_number_of_messages(1);
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let answer = receive.message_system_attribute_names(count.clone()).send().await;
        let answer = answer.map_err(|error| fault("ReceiveMessage", &error))?;
        let Some(message) = answer.messages.unwrap_or_default().into_iter().next() else {
            return Ok(None);
        };
        let attempt = message.attributes.as_ref().and_then(|all| all.get(&count));
        let attempt = attempt.and_then(|text| text.parse().ok()).unwrap_or(1);
        let receipt = message.receipt_handle.unwrap_or_default();
        let job = parse(message.body.as_deref().unwrap_or_default())?;
        Ok(Some(Taken { job, receipt, attempt }))
    }

    async fn finish(&self, taken: &Taken, _now: Timestamp) -> StoreResult<()> {
        let delete = self.client.delete_message().queue_url(&self.url);
        let deleted = delete.receipt_handle(&taken.receipt).send().await;
        match deleted {
            Err(error) if !is_outdated(&error) => Err(fault("DeleteMessage", &error)),
            _ => Ok(()),
        }
    }

    async fn fail(&self, taken: &Taken, _now: Timestamp) -> StoreResult<()> {
        // The last one comes back at once, and the redrive policy puts it aside.
        let last = taken.attempt >= ATTEMPTS;
        let rest = if last { SignedDuration::ZERO } else { pause(taken.attempt) };
        self.hide(&taken.receipt, rest).await
    }
}

/// The job in a message.
fn parse(body: &str) -> StoreResult<Job> {
    serde_json::from_str(body).map_err(|e| StoreError::Broken(format!("a message is no job: {e}")))
}

/// Whether it says that the take is over: the message is finished, or somebody else's.
fn is_outdated<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = error.code().unwrap_or_default();
    code.contains("ReceiptHandleIsInvalid") || code.contains("MessageNotInflight")
}

fn fault<E: ProvideErrorMetadata>(call: &str, error: &SdkError<E>) -> StoreError {
    match error {
        SdkError::ServiceError(failed) if failed.raw().status().is_client_error() => {
            let code = error.code().unwrap_or("no code");
            StoreError::Broken(format!("{call}: SQS answered {code}"))
        }
        SdkError::ConstructionFailure(_) => {
            StoreError::Broken(format!("{call}: the request cannot be built"))
        }
        _ => StoreError::Unavailable(format!("{call}: SQS did not answer")),
    }
}

/// What a worker is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// By the schedule: what a minute leaves undone.
    Schedule,
    /// By a schedule of its own, or by hand: `{"job": "downloads"}`.
    Job(Job),
    /// By the queue: (the message's id, its job).
    Queue(Vec<(String, Result<Job, String>)>),
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records", default)]
    records: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    body: String,
}

impl Asked {
    /// Reads the event of a queue, or a job; anything else counts as the schedule's.
    pub fn read(event: &str) -> Self {
        if let Ok(job) = parse(event) {
            return Self::Job(job);
        }
        let event = serde_json::from_str::<Event>(event);
        let records = event.map_or(Vec::new(), |event| event.records);
        if records.is_empty() {
            return Self::Schedule;
        }
        let message = |message: Message| {
            (message.message_id, parse(&message.body).map_err(|e| e.to_string()))
        };
        Self::Queue(records.into_iter().map(message).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_queues_and_schedules_are_told_apart_and_none_panics() {
        let queue = r#"{"Records":[
            {"messageId":"a","receiptHandle":"r","body":"{\"job\":\"views\"}","eventSource":"aws:sqs"},
            {"messageId":"b","body":"{\"job\":\"dance\"}"},
            {"messageId":"c"}]}"#;
        let Asked::Queue(jobs) = Asked::read(queue) else { panic!("a queue's event") };
        assert_eq!(jobs[0], ("a".to_owned(), Ok(Job::Views)));
        assert!(jobs[1].1.as_ref().unwrap_err().contains("dance"), "{jobs:?}");
        assert!(jobs[2].0 == "c" && jobs[2].1.is_err());
        assert_eq!(Asked::read(r#"{"job":"downloads"}"#), Asked::Job(Job::Downloads));
        assert_eq!(Asked::read(r#"{"job":"advisories"}"#), Asked::Job(Job::Advisories));
        let others = ["", "null", "[]", "{}", "{\"Records\":[]}", "{\"Records\":3}", "\u{0}"];
        let schedule = r#"{"version":"0","source":"aws.events","detail-type":"Scheduled Event"}"#;
        for event in others.into_iter().chain([schedule]) {
            assert_eq!(Asked::read(event), Asked::Schedule, "{event}");
        }
    }
}
