//! Whether a part of a bucket can be used.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
    UpdateVersion,
};

use super::{Check, Statement, partition};
use crate::explained::chain;
use crate::{Access, Aws, Page};

/// What is put, and read again.
const BYTES: &[u8] = b"marketlake doctor looks whether this can be put and read; it may be removed";
/// Seconds that the clocks may differ by. Servers refuse what was signed a quarter of an hour ago.
const SKEW: i64 = 60;

/// A part of a bucket.
#[derive(Debug)]
pub struct Zone<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What its objects begin with, without slashes at its ends.
    pub prefix: &'a str,
    /// How it is reached.
    pub access: &'a Access,
    /// Whether it is written.
    pub is_written: bool,
}

/// What a bucket says of the time: seconds that the clock of this machine is ahead of its own; none where it was not asked.
pub type Clock = Option<i64>;

impl Aws {
    /// Looks at a part of a bucket.
    pub async fn check_bucket(&self, zone: &Zone<'_>) -> (Vec<Check>, Clock) {
        let address = format!("s3://{}/{}", zone.bucket, zone.prefix);
        let bucket = match self.bucket(zone.bucket, zone.access) {
            Ok(bucket) => bucket,
            Err(error) => return (vec![Check::failed(address, chain(&error))], None),
        };
        let region = zone
            .access
            .region
            .as_deref()
            .or_else(|| self.config().region().map(AsRef::as_ref));
        let probe = Probe {
            store: bucket.clone(),
            address,
            objects: format!("arn:{}:s3:::{}", partition(region), zone.bucket),
            zone,
        };
        let prefix = Some(format!("{}/", zone.prefix)).filter(|_| !zone.prefix.is_empty());
        let listed = bucket.page(prefix.as_deref(), PaginatedListOptions::default());
        let (check, listed) = probe.listed(listed.await);
        let mut checks = vec![check];
        let clock = match (zone.is_written, listed) {
            (true, _) => probe.written(&mut checks).await,
            (false, Listed::Object(path)) => {
                checks.push(probe.read(&path).await);
                None
            }
            (false, Listed::Nothing) => {
                checks.push(probe.skipped("read an object", "there is none yet"));
                None
            }
            (false, Listed::Refused) => None,
        };
        (checks, clock)
    }
}

/// What the first entry of a listing is.
enum Listed {
    Object(Path),
    Nothing,
    Refused,
}

struct Probe<'a> {
    store: Arc<dyn ObjectStore>,
    address: String,
    /// ARN of the bucket.
    objects: String,
    zone: &'a Zone<'a>,
}

impl Probe<'_> {
    fn listed(&self, listed: object_store::Result<Page>) -> (Check, Listed) {
        match listed.map(|page| page.objects.into_iter().next()) {
            Err(error) => {
                let bucket = std::slice::from_ref(&self.objects);
                let statement = Statement::allows(&["s3:ListBucket"], bucket);
                (self.refused("list", &error, statement), Listed::Refused)
            }
            Ok(Some(object)) => (self.ok("list"), Listed::Object(object.location)),
            Ok(None) => (self.ok("list"), Listed::Nothing),
        }
    }

    async fn read(&self, path: &Path) -> Check {
        let first = GetOptions {
            range: Some(GetRange::Bounded(0..1)),
            ..GetOptions::default()
        };
        let read = async { self.store.get_opts(path, first).await?.bytes().await };
        match read.await {
            Ok(_) => self.ok("read an object"),
            // Of an object without a byte there is no first one.
            Err(Error::Generic { source, .. }) if source.to_string().contains("416") => {
                self.ok("read an object")
            }
            Err(error) => self.refused("read an object", &error, self.allows(&["s3:GetObject"])),
        }
    }

    /// Puts an object, replaces it, reads and removes it, each on the conditions that commits and leases rely on.
    async fn written(&self, checks: &mut Vec<Check>) -> Clock {
        let path = Path::from(format!("{}/marketlake/doctor/{}", self.zone.prefix, name()));
        let put = async |mode| {
            let options = PutOptions {
                mode,
                ..PutOptions::default()
            };
            self.store.put_opts(&path, BYTES.into(), options).await
        };
        let first = match put(PutMode::Create).await {
            Ok(first) => first,
            Err(error) => {
                checks.push(self.refused("put an object", &error, self.allows(&["s3:PutObject"])));
                for what in [
                    "put on condition",
                    "read an object",
                    "upload in parts",
                    "remove an object",
                ] {
                    checks.push(self.skipped(what, "no object can be put"));
                }
                return None;
            }
        };
        let now = seconds(SystemTime::now());
        checks.push(self.ok("put an object"));
        let version = UpdateVersion {
            e_tag: Some("\"0123456789abcdef0123456789abcdef\"".to_owned()),
            version: None,
        };
        let (again, stale) = (put(PutMode::Create).await, put(PutMode::Update(version)).await);
        let renewed = put(PutMode::Update(first.into())).await;
        checks.push(self.on_condition([again.err(), stale.err()], renewed.err()));
        let found = async {
            let found = self.store.get(&path).await?;
            let changed = found.meta.last_modified.timestamp();
            found.bytes().await.map(|bytes| (bytes, changed))
        };
        let clock = match found.await {
            Ok((bytes, changed)) if bytes == BYTES => {
                checks.push(self.ok("read an object"));
                Some(now - changed)
            }
            Ok(_) => {
                checks.push(self.failed("read an object", "what was put is not what is read"));
                None
            }
            Err(error) => {
                checks.push(self.refused("read an object", &error, self.allows(&["s3:GetObject"])));
                None
            }
        };
        checks.push(self.in_parts(&path).await);
        checks.push(match self.store.delete(&path).await {
            Ok(()) => self.ok("remove an object"),
            Err(error) => {
                let check = self.refused("remove an object", &error, self.allows(&["s3:DeleteObject"]));
                Check {
                    said: format!(
                        "{}; {path} of the bucket {} is left",
                        check.said, self.zone.bucket
                    ),
                    ..check
                }
            }
        });
        clock
    }

    /// What came of two puts that had to be refused, and of one that had not.
    fn on_condition(&self, refused: [Option<Error>; 2], renewed: Option<Error>) -> Check {
        let what = "put on condition";
        let is_refusal =
            |error: &Error| matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
        for (error, condition) in refused.into_iter().zip(["If-None-Match", "If-Match"]) {
            match error {
                None => {
                    let said = format!(
                        "the server does not look at {condition}, so that commits can be lost: use another server"
                    );
                    return self.failed(what, &said);
                }
                Some(error) if !is_refusal(&error) => {
                    return self.refused(what, &error, self.allows(&["s3:PutObject"]));
                }
                Some(_) => {}
            }
        }
        match renewed {
            None => self.ok(what),
            Some(error) => self.refused(what, &error, self.allows(&["s3:PutObject"])),
        }
    }

    async fn in_parts(&self, path: &Path) -> Check {
        let what = "upload in parts";
        let path = Path::from(format!("{path}-parts"));
        let options = PutMultipartOptions::default();
        let mut upload = match self.store.put_multipart_opts(&path, options).await {
            Ok(upload) => upload,
            Err(error) => return self.refused(what, &error, self.allows(&["s3:PutObject"])),
        };
        match upload.abort().await {
            Ok(()) => self.ok(what),
            Err(error) => self.refused(what, &error, self.allows(&["s3:AbortMultipartUpload"])),
        }
    }

    /// What a refusal asks for: a permission on the bucket, or on the key that its objects are encrypted with.
    fn refused(&self, what: &str, error: &Error, statement: Statement) -> Check {
        let said = chain(error);
        let check = self.failed(what, &said);
        // The program's own words name the actions, too; the server's say which one is meant.
        if said.contains("perform: kms:") {
            let key = self
                .zone
                .access
                .kms_key
                .as_deref()
                .filter(|key| key.starts_with("arn:"));
            let key = key.unwrap_or("the ARN of the key that the bucket is encrypted with");
            let actions = ["kms:GenerateDataKey", "kms:Decrypt"];
            return check.lacking(Statement::allows(&actions, &[key.to_owned()]));
        }
        match error {
            Error::PermissionDenied { .. } => check.lacking(statement),
            _ => check,
        }
    }

    fn allows(&self, actions: &[&'static str]) -> Statement {
        let objects = match self.zone.prefix {
            "" => format!("{}/*", self.objects),
            prefix => format!("{}/{prefix}/*", self.objects),
        };
        Statement::allows(actions, &[objects])
    }

    fn what(&self, what: &str) -> String {
        format!("{}: {what}", self.address)
    }

    fn ok(&self, what: &str) -> Check {
        Check::ok(self.what(what), "")
    }

    fn failed(&self, what: &str, said: &str) -> Check {
        Check::failed(self.what(what), said)
    }

    fn skipped(&self, what: &str, said: &str) -> Check {
        Check::skipped(self.what(what), said)
    }
}

/// A name that nobody else gives an object.
fn name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether the clock of this machine is right, by that of a bucket.
pub(crate) fn clock(ahead: Clock) -> Check {
    match ahead {
        None => Check::skipped("clock", "no bucket was written to that says what time it is"),
        Some(ahead) if ahead.abs() <= SKEW => Check::ok("clock", ""),
        Some(ahead) => Check::failed(
            "clock",
            format!(
                "the clock of this machine is {} seconds {} that of the server: set it by NTP",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::check::State;

    fn probe<'a>(zone: &'a Zone<'a>, store: &Arc<InMemory>) -> Probe<'a> {
        Probe {
            store: store.clone(),
            address: "s3://lake/prod".to_owned(),
            objects: "arn:aws:s3:::lake".to_owned(),
            zone,
        }
    }

    fn denied(said: &str) -> Error {
        Error::PermissionDenied {
            path: "x".to_owned(),
            source: said.into(),
        }
    }

    #[tokio::test]
    async fn what_commits_and_leases_rely_on_is_tried_and_nothing_is_left() {
        let (store, access) = (Arc::new(InMemory::new()), Access::default());
        let zone = Zone {
            bucket: "lake",
            prefix: "prod",
            access: &access,
            is_written: true,
        };
        let mut checks = Vec::new();
        let clock = probe(&zone, &store).written(&mut checks).await;
        assert!(checks.iter().all(|check| check.state == State::Ok), "{checks:#?}");
        assert_eq!(checks.len(), 5);
        assert!(clock.is_some_and(|ahead| ahead.abs() <= 1));
        let left: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_server_that_does_not_look_at_conditions_is_told_and_what_is_refused_lacks_a_statement() {
        let access = Access {
            kms_key: Some("arn:aws:kms:eu-west-1:111122223333:key/1".to_owned()),
            ..Access::default()
        };
        let zone = Zone {
            bucket: "lake",
            prefix: "prod",
            access: &access,
            is_written: true,
        };
        let probe = probe(&zone, &Arc::new(InMemory::new()));
        let conflict = || {
            Some(Error::Precondition {
                path: "x".to_owned(),
                source: "412".into(),
            })
        };
        let careless = probe.on_condition([None, conflict()], None);
        assert!(careless.said.contains("If-None-Match"), "{careless:?}");
        let careless = probe.on_condition([conflict(), None], None);
        assert!(careless.said.contains("If-Match"), "{careless:?}");
        assert_eq!(
            probe.on_condition([conflict(), conflict()], None).state,
            State::Ok
        );

        let put = || probe.allows(&["s3:PutObject"]);
        let lacks = |said: &str| {
            let statement = probe.refused("put", &denied(said), put()).statement;
            serde_json::to_value(statement).unwrap()
        };
        let wanted = serde_json::json!({
            "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::lake/prod/*"]
        });
        assert_eq!(lacks("the program needs s3:PutObject"), wanted);
        let of_key = lacks("is not authorized to perform: kms:GenerateDataKey on resource");
        assert_eq!(of_key["Resource"][0], "arn:aws:kms:eu-west-1:111122223333:key/1");
        let other = Error::NotImplemented {
            operation: "x".to_owned(),
            implementer: "y".to_owned(),
        };
        assert_eq!(probe.refused("put", &other, put()).statement, None);
    }

    #[test]
    fn a_clock_may_be_a_minute_late() {
        let state = |ahead| clock(ahead).state;
        assert_eq!(
            [None, Some(0), Some(-60), Some(61), Some(-900)].map(state),
            [State::Skipped, State::Ok, State::Ok, State::Failed, State::Failed]
        );
    }
}
