//! StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{Call, within};
use crate::sqs::error::{Fault, SqsError};
use crate::sqs::location::{Location, queue_of_arn};
use crate::sqs::store::{MoveTask, NewMoveTask, Queue};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct StartMessageMoveTaskRequest {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct StartMessageMoveTaskAnswer {
    task_handle: String,
}

pub(in crate::sqs) fn start_message_move_task(
    call: &Call<'_>,
    request: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskAnswer, SqsError> {
    let rate = request.max_number_of_messages_per_second;
    let rate = rate.map(|rate| within("MaxNumberOfMessagesPerSecond", rate, 1..=500)).transpose()?;
    let source = call.queue_of("SourceArn", &request.source_arn)?;
    if !call.store.is_dead_letter_queue(&source)? {
        return Err(SqsError::parameter_value("Source queue must be configured as a Dead Letter Queue."));
    }
    let destination =
        request.destination_arn.as_deref().map(|arn| call.queue_of("DestinationArn", arn)).transpose()?;
    if destination.as_ref().is_some_and(|destination| destination.id == source.id) {
        return Err(SqsError::parameter_value("A queue's messages cannot be moved to the queue itself."));
    }
    if call.store.move_tasks(&source, 1)?.iter().any(MoveTask::is_running) {
        return Err(SqsError::parameter_value(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given \
             time.",
        ));
    }
    let task_id = call.store.start_move_task(&NewMoveTask {
        source: &source,
        destination: destination.as_ref().map(|destination| destination.spec.name.as_str()),
        per_second: rate.and_then(|rate| u32::try_from(rate).ok()),
    })?;
    Ok(StartMessageMoveTaskAnswer { task_handle: Handle::new(task_id, &source, call.location).encode()? })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct ListMessageMoveTasksRequest {
    source_arn: String,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct ListMessageMoveTasksAnswer {
    results: Vec<TaskEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: String,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<i64>,
    approximate_number_of_messages_moved: i64,
    approximate_number_of_messages_to_move: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: i64,
}

pub(in crate::sqs) fn list_message_move_tasks(
    call: &Call<'_>,
    request: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksAnswer, SqsError> {
    let limit = within("MaxResults", request.max_results.unwrap_or(1), 1..=10)?;
    let source = call.queue_of("SourceArn", &request.source_arn)?;
    let entry = |task: MoveTask| {
        // Only a task that can be canceled shows its handle.
        let handle =
            task.is_running().then(|| Handle::new(task.id, &source, call.location).encode()).transpose()?;
        Ok(TaskEntry {
            task_handle: handle,
            status: task.status,
            source_arn: call.location.arn(&source.spec.name),
            destination_arn: task.destination.map(|name| call.location.arn(&name)),
            max_number_of_messages_per_second: task.per_second,
            approximate_number_of_messages_moved: task.moved,
            approximate_number_of_messages_to_move: task.to_move,
            failure_reason: task.failure_reason,
            started_timestamp: task.started_at,
        })
    };
    let tasks = call.store.move_tasks(&source, limit)?;
    Ok(ListMessageMoveTasksAnswer { results: tasks.into_iter().map(entry).collect::<Result<_, SqsError>>()? })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct CancelMessageMoveTaskRequest {
    task_handle: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct CancelMessageMoveTaskAnswer {
    approximate_number_of_messages_moved: i64,
}

pub(in crate::sqs) fn cancel_message_move_task(
    call: &Call<'_>,
    request: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskAnswer, SqsError> {
    let handle = Handle::decode(&request.task_handle)?;
    let source = call.queue_of("SourceArn", &handle.source_arn)?;
    let task = call.store.move_task(&source, &handle.task_id)?.filter(MoveTask::is_running);
    let task = task.ok_or_else(|| SqsError::new(Fault::ResourceNotFound, "Task does not exist."))?;
    call.store.cancel_move_task(&task)?;
    Ok(CancelMessageMoveTaskAnswer { approximate_number_of_messages_moved: task.moved })
}

impl Call<'_> {
    /// Finds the queue with the ARN in a parameter.
    fn queue_of(&self, parameter: &str, arn: &str) -> Result<Queue, SqsError> {
        if arn.is_empty() {
            return Err(SqsError::missing(parameter));
        }
        let queue = queue_of_arn(arn).map(|name| self.store.queue(name)).transpose()?.flatten();
        let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
        queue.ok_or_else(|| SqsError::new(Fault::ResourceNotFound, message))
    }
}

/// The contents of a task handle. Opaque to clients.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    task_id: String,
    source_arn: String,
}

impl Handle {
    fn new(task_id: String, source: &Queue, location: &Location) -> Self {
        Self { task_id, source_arn: location.arn(&source.spec.name) }
    }

    fn encode(&self) -> Result<String, SqsError> {
        Ok(BASE64_STANDARD.encode(serde_json::to_vec(self)?))
    }

    fn decode(handle: &str) -> Result<Self, SqsError> {
        if handle.is_empty() {
            return Err(SqsError::missing("TaskHandle"));
        }
        let decoded = BASE64_STANDARD.decode(handle).ok();
        let decoded = decoded.and_then(|json| serde_json::from_slice(&json).ok());
        decoded.ok_or_else(|| SqsError::parameter_value("Value for parameter TaskHandle is invalid."))
    }
}
