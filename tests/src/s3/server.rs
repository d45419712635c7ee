//! An S3 server of this machine, for one test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore};
use serde_json::Value;
use tempfile::TempDir;

use super::{KEY_ID, Messages, SECRET};

/// How long one may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with this value, and what was put there with it.
pub struct Server {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Server {
    /// MiniStack, which is written in Python and looks at no signature, with buckets in regions; `python` is one that has it
    /// installed.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn ministack(python: &Path, buckets: &[(&str, &str)]) -> Result<Self> {
        let server = Self::start(|port, folder| {
            let program = python.parent().map(|bin| bin.join("ministack"));
            let mut command = Command::new(program.unwrap_or_default());
            command.current_dir(folder);
            command.env("BIND_HOST", "127.0.0.1");
            command.env("GATEWAY_PORT", port.to_string());
            command.env("IOT_MTLS_ENABLED", "0");
            Ok(command)
        })?;
        for (bucket, region) in buckets {
            server.make(bucket, region)?;
        }
        Ok(server)
    }

    /// versitygw, which checks signatures and commits one after another; `program` is its binary.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn versitygw(program: &Path, buckets: &[&str]) -> Result<Self> {
        Self::start(|port, folder| {
            for bucket in buckets {
                std::fs::create_dir(folder.join(bucket))?;
            }
            let mut command = Command::new(program);
            command.args(["--port", &format!("127.0.0.1:{port}")]);
            command.args(["--access", KEY_ID, "--secret", SECRET, "posix"]);
            command.arg(folder);
            Ok(command)
        })
    }

    fn start(command: impl FnOnce(u16, &Path) -> Result<Command>) -> Result<Self> {
        let folder = TempDir::new().context("no temporary folder")?;
        // Nobody else is given a port so soon after it was given back.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = command(address.port(), folder.path())?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Self {
            process: command.spawn().context("the S3 server cannot be started")?,
            address,
            _folder: folder,
        };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.process.try_wait()?;
            ensure!(ended.is_none(), "the S3 server ended at once: {ended:?}");
            ensure!(begin.elapsed() < PATIENCE, "the S3 server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn make(&self, bucket: &str, region: &str) -> Result<()> {
        let body = match region {
            // The first region is the one that must not be named.
            "us-east-1" => String::new(),
            _ => format!(
                "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        let mut server = TcpStream::connect(self.address)?;
        write!(
            server,
            "PUT /{bucket} HTTP/1.1\r\nhost: s3\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut said = String::new();
        server.read_to_string(&mut said)?;
        ensure!(
            said.starts_with("HTTP/1.1 200"),
            "the bucket cannot be made: {said}"
        );
        Ok(())
    }

    /// Puts an object of any key, also one that no path of a store can have.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<()> {
        let key: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut server = TcpStream::connect(self.address)?;
        write!(
            server,
            "PUT /{bucket}/{key} HTTP/1.1\r\nhost: s3\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            bytes.len()
        )?;
        server.write_all(bytes)?;
        let mut said = String::new();
        server.read_to_string(&mut said)?;
        ensure!(said.starts_with("HTTP/1.1 200"), "{key} cannot be put: {said}");
        Ok(())
    }

    /// Has a bucket keep every version of its objects.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn keep_versions(&self, bucket: &str) -> Result<()> {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let mut server = TcpStream::connect(self.address)?;
        write!(
            server,
            "PUT /{bucket}?versioning HTTP/1.1\r\nhost: s3\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut said = String::new();
        server.read_to_string(&mut said)?;
        ensure!(said.starts_with("HTTP/1.1 200"), "versions are not kept: {said}");
        Ok(())
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its queues and topics, without anything in between.
    pub fn messages(&self) -> Messages {
        Messages::at(self.address)
    }

    /// Asks a service other than S3 for something, such as Glue for `AWSGlue.GetTable`, without anything in between.
    ///
    /// # Errors
    ///
    /// When it does not do it, with what it says.
    pub fn ask(&self, what: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let mut server = TcpStream::connect(self.address)?;
        write!(
            server,
            "POST / HTTP/1.1\r\nhost: aws\r\nx-amz-target: {what}\r\ncontent-type: application/x-amz-json-1.1\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut said = String::new();
        server.read_to_string(&mut said)?;
        ensure!(said.starts_with("HTTP/1.1 200"), "{what} is refused: {said}");
        let (_, answer) = said.split_once("\r\n\r\n").context("no answer")?;
        match answer.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_str(answer).with_context(|| format!("{what}: {answer}")),
        }
    }

    /// A bucket of it, without anything in between.
    ///
    /// # Errors
    ///
    /// When there can be no such store.
    pub fn store(&self, bucket: &str, region: &str) -> Result<impl ObjectStore + use<>> {
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", self.address))
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_bucket_name(bucket)
            .with_region(region)
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(SECRET);
        Ok(store.build()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
