//! Wake-ups through RabbitMQ: a durable queue per queue of remat, on one topic exchange.
//!
//! Law: a hint is announced when the broker has confirmed it, and acknowledged when the worker has heard it; a listener
//! that is busy gives back what it was sent. Hints expire, for workers look into the table by themselves: queues that nobody
//! listens to stay short.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, try_join_all},
    stream::{self, BoxStream, SelectAll},
};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
        ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
    uri::AMQPUri,
};

use super::{Ear, EarState, GRACE, Heard, Hint, JobBackend, unheard};
use crate::error::{Error, ErrorKind};

/// How long the broker may take for one operation.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two of these without a sign from the broker, and the connection counts as lost.
const HEARTBEAT_SECONDS: u16 = 10;

/// How long a hint waits in a queue: a worker will have looked by itself long before.
const EXPIRY_MS: &str = "600000";

const PERSISTENT: u8 = 2;

/// AMQP's number for "that was all".
const GOODBYE: u16 = 200;

/// RabbitMQ as a back end.
pub struct RabbitmqBackend {
    uri: AMQPUri,
    at: String,
    exchange: ShortString,
    publisher: tokio::sync::Mutex<Option<Arc<Publisher>>>,
    /// Queues that were seen here, for listeners that want all.
    known: Mutex<BTreeSet<String>>,
}

/// The connection over which announcements go.
struct Publisher {
    _connection: Connection,
    channel: Channel,
    declared: Mutex<BTreeSet<String>>,
}

/// What a listener waits for: deliveries from one of its queues, the error that ends them, or the name of a new queue.
enum News {
    Delivery(Box<Delivery>, String),
    Queue(String),
    Lost(Error),
}

type Streams = SelectAll<BoxStream<'static, News>>;

impl RabbitmqBackend {
    /// Connects; `prefix` (`remat` without one) names the exchange, and the names of queues begin with it.
    pub async fn connect(url: &str, prefix: Option<&str>) -> Result<Self, Error> {
        let mut uri: AMQPUri = url.parse().map_err(|_| unreadable())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let at =
            format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        let backend = Self {
            uri,
            at,
            exchange: short(prefix.unwrap_or("remat"))?,
            publisher: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        };
        backend.within(backend.publisher()).await?;
        Ok(backend)
    }

    fn queue(&self, queue: &str) -> Result<ShortString, Error> {
        short(&format!("{}.{queue}", self.exchange))
    }

    async fn open(&self) -> Result<Connection, Error> {
        let name = ConnectionProperties::default().with_connection_name("remat".into());
        let opened = Connection::connect_uri(self.uri.clone(), name);
        let opened = tokio::time::timeout(PATIENCE, opened).await.map_err(|_| self.silent())?;
        opened.map_err(|error| {
            Error::new(ErrorKind::Connection, format!("could not connect to RabbitMQ at {}", self.at))
                .with_detail(format!("{}.", spoken(&error)))
                .with_hint("Check url_env or url in [backend] of remat.toml, and that the server runs.")
        })
    }

    /// The connection for announcements, opened where there is none.
    async fn publisher(&self) -> Result<Arc<Publisher>, Error> {
        let mut publisher = self.publisher.lock().await;
        if let Some(publisher) = publisher.as_ref() {
            return Ok(Arc::clone(publisher));
        }
        let connection = self.open().await?;
        let channel = connection.create_channel().await.map_err(|error| self.failed(&error))?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirms.map_err(|error| self.failed(&error))?;
        let opened = Arc::new(Publisher { _connection: connection, channel, declared: Mutex::default() });
        Ok(Arc::clone(publisher.insert(opened)))
    }

    async fn forget(&self, failed: &Arc<Publisher>) {
        let mut publisher = self.publisher.lock().await;
        if publisher.as_ref().is_some_and(|publisher| Arc::ptr_eq(publisher, failed)) {
            *publisher = None;
        }
    }

    /// Publishes, and once more over a new connection: the broker may have closed the old one, or lost a queue.
    async fn publish_twice(&self, hints: &[Hint]) -> Result<(), Error> {
        let publisher = self.publisher().await?;
        if self.publish(&publisher, hints).await.is_ok() {
            return Ok(());
        }
        self.forget(&publisher).await;
        let publisher = self.publisher().await?;
        let outcome = self.publish(&publisher, hints).await;
        if outcome.is_err() {
            self.forget(&publisher).await;
        }
        outcome
    }

    async fn publish(&self, publisher: &Publisher, hints: &[Hint]) -> Result<(), Error> {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_expiration(EXPIRY_MS.into());
        // Mandatory: a queue that somebody deleted must not swallow the hint in silence.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirms = Vec::with_capacity(hints.len());
        for hint in hints {
            if !locked(&publisher.declared).contains(&hint.queue) {
                self.declare(&publisher.channel, &hint.queue).await?;
                locked(&publisher.declared).insert(hint.queue.clone());
            }
            let text = serde_json::to_vec(hint).map_err(|error| {
                Error::new(ErrorKind::InvalidDefinition, format!("a hint cannot be written: {error}"))
            })?;
            let (exchange, key) = (self.exchange.clone(), short(&hint.queue)?);
            let sent =
                publisher.channel.basic_publish(exchange, key, options, &text, properties.clone()).await;
            confirms.push(sent.map_err(|error| self.failed(&error))?);
        }
        let confirmed = try_join_all(confirms).await.map_err(|error| self.failed(&error))?;
        if confirmed.iter().all(|confirmed| matches!(confirmed, Confirmation::Ack(None))) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Connection, format!("RabbitMQ at {} did not take every message", self.at)))
    }

    /// Makes the queue and what leads to it, or finds them as they must be.
    async fn declare(&self, channel: &Channel, queue: &str) -> Result<ShortString, Error> {
        self.declare_exchange(channel).await?;
        let name = self.queue(queue)?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let made = channel.queue_declare(name.clone(), durable, FieldTable::default()).await;
        made.map_err(|error| self.refused(&error, "queue", &name))?;
        self.bind(channel, &name, queue).await?;
        locked(&self.known).insert(queue.to_owned());
        Ok(name)
    }

    async fn declare_exchange(&self, channel: &Channel) -> Result<(), Error> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = self.exchange.clone();
        let made =
            channel.exchange_declare(exchange, ExchangeKind::Topic, durable, FieldTable::default()).await;
        made.map_err(|error| self.refused(&error, "exchange", &self.exchange))
    }

    async fn bind(&self, channel: &Channel, name: &ShortString, key: &str) -> Result<(), Error> {
        let (exchange, options) = (self.exchange.clone(), QueueBindOptions::default());
        let bound = channel.queue_bind(name.clone(), exchange, short(key)?, options, FieldTable::default());
        bound.await.map_err(|error| self.refused(&error, "queue", name))
    }

    /// Passes on until the worker is busy or stops. The caller closes the channel, and the broker then gives what was not
    /// acknowledged to another listener.
    async fn pass_on(&self, channel: &Channel, queues: &[String], ear: &Ear) -> Result<(), Error> {
        let mut streams = self.within(self.streams(channel, queues)).await?;
        loop {
            let news = tokio::select! {
                news = streams.next() => news,
                () = ear.closed() => return Ok(()),
            };
            match news {
                Some(News::Delivery(delivery, queue)) => {
                    if !self.hear(&delivery, &queue, ear).await? {
                        return Ok(());
                    }
                }
                Some(News::Queue(queue)) => {
                    if !locked(&self.known).contains(&queue) {
                        streams.push(self.within(self.consume(channel, &queue)).await?);
                    }
                }
                Some(News::Lost(error)) => return Err(error),
                None => return Err(self.lost("No queue is left to listen to")),
            }
        }
    }

    async fn streams(&self, channel: &Channel, queues: &[String]) -> Result<Streams, Error> {
        let qos = channel.basic_qos(1, BasicQosOptions::default()).await;
        qos.map_err(|error| self.failed(&error))?;
        let mut streams = SelectAll::new();
        let mut queues = queues.to_vec();
        if queues.is_empty() {
            streams.push(self.discover(channel).await?);
            queues = locked(&self.known).iter().cloned().collect();
        }
        for queue in &queues {
            streams.push(self.consume(channel, queue).await?);
        }
        Ok(streams)
    }

    /// Deliveries of a queue, and then the reason why there are no more.
    async fn consume(&self, channel: &Channel, queue: &str) -> Result<BoxStream<'static, News>, Error> {
        let name = self.declare(channel, queue).await?;
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(name.clone(), tag, options, FieldTable::default()).await;
        let consumer = consumer.map_err(|error| self.failed(&error))?;
        let (lost, gone) = (self.loser(), self.lost(&format!("Queue \"{name}\" is gone")));
        let queue = queue.to_owned();
        let deliveries = consumer.map(move |delivery| match delivery {
            Ok(delivery) => News::Delivery(Box::new(delivery), queue.clone()),
            Err(error) => News::Lost(lost(&error)),
        });
        Ok(deliveries.chain(stream::iter([News::Lost(gone)])).boxed())
    }

    /// Names of queues that somebody announces for. A broker does not list its queues to a client; so a copy of each hint
    /// comes here, as long as this listener lives, and tells the name of its queue.
    async fn discover(&self, channel: &Channel) -> Result<BoxStream<'static, News>, Error> {
        self.declare_exchange(channel).await?;
        let mine =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let made = channel.queue_declare(ShortString::default(), mine, FieldTable::default()).await;
        let made = made.map_err(|error| self.failed(&error))?;
        self.bind(channel, made.name(), "#").await?;
        let at_once = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let (mine, tag) = (made.name().clone(), ShortString::default());
        let copies = channel.basic_consume(mine, tag, at_once, FieldTable::default()).await;
        let (copies, lost) = (copies.map_err(|error| self.failed(&error))?, self.loser());
        let names = copies.map(move |copy| match copy {
            Ok(copy) => News::Queue(copy.routing_key.to_string()),
            Err(error) => News::Lost(lost(&error)),
        });
        Ok(names.boxed())
    }

    /// Hands a hint to the worker and acknowledges it; false if the worker has no room.
    async fn hear(&self, delivery: &Delivery, queue: &str, ear: &Ear) -> Result<bool, Error> {
        let Ok(hint) = serde_json::from_slice(&delivery.data) else {
            tracing::warn!(queue, "rejected a message that is no hint of remat");
            self.settle(delivery.reject(BasicRejectOptions { requeue: false })).await?;
            return Ok(true);
        };
        if ear.room_within(GRACE).await != EarState::Open {
            return Ok(false);
        }
        if let Err(error) = ear.hear(Heard::Hint(hint)).await {
            return unheard(error, ear).await.map(|()| false);
        }
        self.settle(delivery.ack(BasicAckOptions::default())).await?;
        Ok(true)
    }

    /// Tells the broker what became of a delivery; a channel that is closed by now has not told it.
    async fn settle(&self, telling: impl Future<Output = lapin::Result<bool>>) -> Result<(), Error> {
        let told = self.within(async { telling.await.map_err(|error| self.failed(&error)) }).await?;
        if told { Ok(()) } else { Err(self.lost("The channel was closed before a message was settled")) }
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(self.silent()))
    }

    fn refused(&self, error: &lapin::Error, what: &str, name: &ShortString) -> Error {
        if !error.is_amqp_soft_error() {
            return self.failed(error);
        }
        let primary = format!("{what} \"{name}\" of RabbitMQ at {} cannot be used", self.at);
        Error::new(ErrorKind::InvalidSettings, primary).with_detail(format!("{}.", spoken(error))).with_hint(
            "Another program may use the name: set another prefix in [backend] of remat.toml, or delete it.",
        )
    }

    fn failed(&self, error: &lapin::Error) -> Error {
        self.lost(&spoken(error))
    }

    fn lost(&self, why: &str) -> Error {
        Error::new(ErrorKind::Connection, format!("lost the connection to RabbitMQ at {}", self.at))
            .with_detail(format!("{why}."))
    }

    /// The same for a stream, which outlives the borrow.
    fn loser(&self) -> impl Fn(&lapin::Error) -> Error + Send + 'static {
        let lost = self.lost("");
        move |error| lost.clone().with_detail(format!("{}.", spoken(error)))
    }

    fn silent(&self) -> Error {
        Error::new(ErrorKind::Connection, format!("RabbitMQ at {} does not answer", self.at))
            .with_detail(format!("Nothing came within {} s.", PATIENCE.as_secs()))
    }
}

impl JobBackend for RabbitmqBackend {
    fn kind(&self) -> &'static str {
        "rabbitmq"
    }

    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            if hints.is_empty() {
                return Ok(());
            }
            if let Ok(outcome) = tokio::time::timeout(PATIENCE, self.publish_twice(hints)).await {
                return outcome;
            }
            // A connection that swallows what it is given would do so again.
            *self.publisher.lock().await = None;
            Err(self.silent())
        })
    }

    fn listen<'a>(&'a self, queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            let connection = self.open().await?;
            ear.is_reached();
            while ear.ready().await {
                let channel = self
                    .within(async { connection.create_channel().await.map_err(|error| self.failed(&error)) });
                let channel = channel.await?;
                self.pass_on(&channel, queues, ear).await?;
                let closed = self.within(async {
                    channel.close(GOODBYE, "no room".into()).await.map_err(|error| self.failed(&error))
                });
                closed.await?;
            }
            Ok(())
        })
    }
}

fn short(name: &str) -> Result<ShortString, Error> {
    ShortString::try_new(name).map_err(|_| {
        let primary = "the name of a queue is too long for RabbitMQ";
        Error::new(ErrorKind::InvalidSettings, primary)
            .with_detail("With the prefix of [backend] it may have 255 bytes.")
    })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the broker or the system said, without a full stop.
fn spoken(error: &lapin::Error) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

/// The parser's own words could quote the URL; ours do not.
fn unreadable() -> Error {
    Error::new(ErrorKind::InvalidSettings, "the URL of RabbitMQ cannot be read").with_hint(
        "A URL looks like amqp://user:password@host:5672/%2f, or amqps:// for TLS; encode special characters as %40 \
         and so on.",
    )
}
