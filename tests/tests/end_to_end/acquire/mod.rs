//! The raw zone filled from servers that behave as Amazon documents its own, and then run.

mod ads;
mod queues;
mod sp_api;
mod sp_items;
mod subscriptions;
