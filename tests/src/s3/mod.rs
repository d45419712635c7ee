//! Lakes in a bucket of an S3 server, worked on by processes of the program over the wire: through a proxy that answers
//! wrongly, late or not at all.

mod lake;
mod message;
mod messages;
mod proxy;
mod server;

pub use lake::S3Lake;
pub use message::Request;
pub use messages::{Messages, Waiting, topic_arn};
pub use proxy::{Fault, Proxy};
pub use server::Server;

/// The access key that the program is given, and what nobody may read in anything that it writes: the secret of the key,
/// what begins every session token, and the password of whoever gives the credentials.
pub const KEY_ID: &str = "ZQ7XKEYID";
/// The secret of that key.
pub const SECRET: &str = "zq7xsecretkey";
/// What every session token begins with.
pub const TOKEN: &str = "zq7xtoken";
/// What the program shows to who gives the credentials.
pub const PASS: &str = "zq7xpass";
