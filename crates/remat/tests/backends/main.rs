//! The back ends on real brokers, killed, emptied, cut off and shared with others.

mod choose;
mod rabbitmq;
mod redis;
mod ruby;
mod sidekiq;
mod worker;
