//! The raw zone filled from servers that behave as Amazon documents its own, and then run.

mod queues;
mod sp_api;
mod subscriptions;
