//! An embedded SQS for one test.

use std::future::pending;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use posthorn_local_aws::clients;
use posthorn_local_aws::sqs::{QueueSpec, Queues};
use tokio::net::TcpListener;

/// One SQS and a client of it.
pub(crate) struct Sqs {
    pub(crate) client: Client,
    address: String,
}

impl Sqs {
    pub(crate) async fn serving(queues: &Queues) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(queues.clone().serve(listener, pending()));
        Self { client: clients::sqs(&address), address }
    }

    pub(crate) async fn with(specs: &[QueueSpec]) -> Self {
        let queues = Queues::in_memory().unwrap();
        for spec in specs {
            queues.create(spec).unwrap();
        }
        Self::serving(&queues).await
    }

    pub(crate) fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.address)
    }

    pub(crate) async fn send(&self, queue: &str, body: &str) -> String {
        let sent = self.client.send_message().queue_url(self.url(queue)).message_body(body);
        sent.send().await.unwrap().message_id.unwrap()
    }

    /// Waits up to 20 s for messages.
    pub(crate) async fn receive(&self, queue: &str) -> Vec<Message> {
        self.look(queue, 20).await
    }

    pub(crate) async fn look(&self, queue: &str, wait_seconds: i32) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let request = request.message_attribute_names("All").wait_time_seconds(wait_seconds);
        request.send().await.unwrap().messages.unwrap_or_default()
    }
}

pub(crate) fn queue(name: &str) -> QueueSpec {
    QueueSpec { name: name.to_owned(), ..QueueSpec::default() }
}

pub(crate) fn system<'m>(message: &'m Message, name: &MessageSystemAttributeName) -> Option<&'m str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

pub(crate) fn receive_count(message: &Message) -> Option<&str> {
    system(message, &MessageSystemAttributeName::ApproximateReceiveCount)
}
