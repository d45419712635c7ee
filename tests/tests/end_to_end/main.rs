//! The whole program from outside: killed, run twice at once, fed in any order, tampered with, read by others.

mod authoring;
mod changes;
mod computed;
mod contracts;
mod demo;
mod documents;
mod formats;
mod fuzz;
mod hostile;
mod isolated;
mod kill;
mod maintain;
mod notices;
mod oracle;
mod permute;
mod planted;
mod protocol;
mod rebuild;
mod rejects;
mod remote;
mod room;
mod rules;
mod schemas;
mod secrets;
mod stop;
mod together;
