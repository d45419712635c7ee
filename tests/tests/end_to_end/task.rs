//! Jobs as a scheduler starts them: by an id and twice, configured by reference, with logs and metrics as lines of JSON, and with
//! one folder to write to.

use std::fs;
use std::thread;

use anyhow::{Context, Result, ensure};
use marketlake_tests::Run;
use marketlake_tests::s3::{Fault, Proxy, Request, S3Lake, Server};
use marketlake_tests::shop::Shop;
use serde_json::{Value, json};

use crate::s3::{LAKE, ministack, visit, visits};

/// What is kept at AWS, and nobody may read.
const PEPPER: &str = "zq7xpepper";

/// Values by reference, and everything said as lines of JSON.
const CONFIGURED: &str = "personal_key = \"secret:prod/lake#key\"\nbatch_bytes = \"ssm:/prod/bytes\"\nmetrics = \"emf\"\n\
                          log_format = \"json\"\n";

/// Which requests are refused.
type Meant = fn(&Request) -> bool;

fn keep(server: &Server) -> Result<()> {
    let secret = json!({"key": PEPPER, "number": 5}).to_string();
    server.ask(
        "secretsmanager.CreateSecret",
        &json!({"Name": "prod/lake", "SecretString": secret}),
    )?;
    let binary = json!({"Name": "prod/binary", "SecretBinary": "enE3eHBlcHBlcg=="});
    server.ask("secretsmanager.CreateSecret", &binary)?;
    let parameter = json!({"Name": "/prod/bytes", "Value": "77MiB", "Type": "SecureString"});
    server.ask("AmazonSSM.PutParameter", &parameter)?;
    Ok(())
}

fn run<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "shop.visits", "--from", "2020-01-01", "--run-id", id];
    run.iter().chain(more).copied().collect()
}

#[test]
fn a_job_is_configured_by_reference_done_once_under_its_id_and_says_what_it_did() -> Result<()> {
    let server = ministack(&[LAKE])?;
    keep(&server)?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = visits(&server, &proxy, CONFIGURED)?;
    references_are_shown_and_what_is_missing_is_told(&lake, &proxy)?;

    lake.deliver(&[visit(1)])?;
    proxy.judge(
        |request| match request.method == "PUT" && request.target.contains("/shop/visits/") {
            true => Fault::Refused(403, "AccessDenied"),
            false => Fault::None,
        },
    );
    lake.call(&run("2026-03-01T04:00:00Z", &[]))?.exits_with(1)?;
    proxy.judge(|_| Fault::None);
    proxy.seen();
    // What failed is done again.
    let first = lake.call(&run("2026-03-01T04:00:00Z", &[]))?.exits_with(0)?;
    measured(&first, &proxy.seen())?;
    let report = first.document()?;
    ensure!(
        report["run"] == "2026-03-01T04:00:00Z" && report["tables"][0]["counts"]["rows_inserted"] == 1,
        "{report:#}"
    );
    // What is done is not, whatever has come since.
    lake.deliver(&[visit(2)])?;
    let again = lake.call(&run("2026-03-01T04:00:00Z", &[]))?.exits_with(0)?;
    assert_eq!(again.document()?, report);
    ensure!(again.stderr.contains("nothing is done again"), "{}", again.stderr);

    // Started twice at a time, one waits and finds what the other one did.
    let both = thread::scope(|scope| {
        let calls = [(); 2].map(|()| scope.spawn(|| lake.call(&run("2026-03-02T04:00:00Z", &[]))));
        calls.map(|call| call.join().map_err(|_| anyhow::anyhow!("a call panicked"))?)
    });
    let both = both.into_iter().collect::<Result<Vec<Run>>>()?;
    let reports = both.into_iter().map(|run| run.exits_with(0)?.document());
    let reports = reports.collect::<Result<Vec<Value>>>()?;
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0]["tables"][0]["counts"]["rows_inserted"], 1);

    nothing_else_is_written(&lake)?;
    lake.has_no_secrets()
}

fn references_are_shown_and_what_is_missing_is_told(lake: &S3Lake, proxy: &Proxy) -> Result<()> {
    let config = lake.call(&["config"])?.exits_with(0)?;
    for reference in ["secret:prod/lake#key", "ssm:/prod/bytes"] {
        ensure!(config.stdout.contains(reference), "{}", config.stdout);
    }
    for hidden in [PEPPER, "77MiB"] {
        ensure!(!config.said().contains(hidden), "{}", config.said());
    }
    for (reference, told) in [
        ("secret:prod/lake#other", "no such key"),
        ("secret:prod/lake#number", "is no text"),
        ("secret:prod/nothing", "there is no such value"),
        ("secret:prod/binary", "is binary"),
        ("ssm:/prod/nothing", "there is no such value"),
    ] {
        let mut call = lake.command(&["config"]);
        let refused = lake.ended(call.env("MARKETLAKE_PERSONAL_KEY", reference))?;
        let said = refused.exits_with(2)?.stderr;
        ensure!(
            said.contains(told) && said.contains(reference) && !said.contains(PEPPER),
            "{reference}: {said}"
        );
    }
    for (asked, action) in [
        ("secretsmanager.GetSecretValue", "secretsmanager:GetSecretValue"),
        ("AmazonSSM.GetParameter", "ssm:GetParameter"),
    ] {
        proxy.judge(move |request| match request.asked() == Some(asked) {
            true => Fault::Refused(400, "AccessDeniedException"),
            false => Fault::None,
        });
        let said = lake.call(&["config"])?.exits_with(1)?.stderr;
        ensure!(said.contains(action), "{said}");
    }
    proxy.judge(|_| Fault::None);
    Ok(())
}

/// Every line that a run writes beside its document is an object, which says whose it is, and metrics say what was done.
fn measured(run: &Run, asked: &[Request]) -> Result<()> {
    let lines = run.stderr.lines().map(|line| {
        let parsed = serde_json::from_str::<Value>(line);
        parsed.with_context(|| format!("no JSON: {line}"))
    });
    let lines = lines.collect::<Result<Vec<_>>>()?;
    let (metrics, log): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["_aws"].is_object());
    let said = |message: &str| {
        log.iter()
            .find(|line| line["message"] == message)
            .context(message.to_owned())
    };
    let started = said("batch started")?;
    ensure!(
        started["run"] == "2026-03-01T04:00:00Z" && started["table"] == "shop.visits",
        "{started}"
    );
    ensure!(
        started["batch"]
            .as_str()
            .is_some_and(|batch| batch.parse::<u64>().is_ok()),
        "{started}"
    );
    ensure!(said("table finished")?["run"] == "2026-03-01T04:00:00Z");

    let of = |dimension: &str| {
        metrics
            .iter()
            .find(|line| !line[dimension].is_null())
            .context(dimension.to_owned())
    };
    let (table, whole) = (of("Table")?, of("Command")?);
    for line in [table, whole] {
        let about = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in about["Metrics"].as_array().context("no metrics")? {
            let name = metric["Name"].as_str().unwrap_or_default();
            ensure!(line[name].is_u64(), "{name}: {line}");
        }
        ensure!(
            about["Dimensions"][0][0] == "Lake" && line["Lake"] == "s3://lake/prod/",
            "{line}"
        );
    }
    ensure!(
        table["Rows"] == 1 && table["Objects"] == 1 && table["Quarantined"] == 0,
        "{table}"
    );
    let count = |is_meant: fn(&Request) -> bool| {
        let of_bucket = asked.iter().filter(|request| request.target.starts_with("/lake"));
        of_bucket.filter(|request| is_meant(request)).count()
    };
    let is_list = |request: &Request| request.target.contains("list-type=");
    for (name, wanted) in [
        // That the job is done is written down when all is said.
        (
            "S3Put",
            count(|request| request.method == "PUT" && !request.target.contains("/marketlake/done/")),
        ),
        ("S3List", count(is_list)),
        (
            "S3Get",
            count(|request| request.method == "GET" && !request.target.contains("list-type=")),
        ),
    ] {
        ensure!(
            whole[name] == wanted && wanted > 0,
            "{name}, {wanted} were asked: {whole}"
        );
    }
    ensure!(
        whole["Memory"].as_u64() > Some(1 << 20) && whole["Failed"] == 0,
        "{whole}"
    );
    Ok(())
}

/// A job in a bucket writes to `spill_dir` and to nothing else of its machine.
fn nothing_else_is_written(lake: &S3Lake) -> Result<()> {
    let rows: String = (0..20_000).map(|number| format!("w{number},90,2\n")).collect();
    let mut large = visit(3);
    large.bytes = format!("visit_id,seconds,guests\n{rows}").into_bytes();
    lake.deliver(&[large])?;
    let before = files(lake)?;
    let volume = tempfile::tempdir()?;
    let spill = volume.path().to_string_lossy().into_owned();
    let little = ["--memory-limit", "1MiB"];
    let call = |more: &[&str]| {
        let arguments = [&little, more].concat();
        let mut call = lake.command(&run("2026-03-03T04:00:00Z", &arguments));
        // The folders that programs write to when nobody says where: nothing is there.
        for variable in ["HOME", "TMPDIR", "XDG_CACHE_HOME"] {
            call.env(variable, "/proc/nowhere");
        }
        lake.ended(&mut call)
    };
    let told = call(&[])?.exits_with(1)?.stdout;
    ensure!(told.contains("/proc/nowhere"), "{told}");
    let report = call(&["--spill-dir", &spill])?.exits_with(0)?.document()?;
    assert_eq!(
        report["tables"][0]["counts"]["rows_inserted"], 20_000,
        "{report:#}"
    );
    assert_eq!(files(lake)?, before);
    assert_eq!(fs::read_dir(volume.path())?.count(), 0);
    Ok(())
}

fn files(lake: &S3Lake) -> Result<Vec<String>> {
    let entries = fs::read_dir(lake.folder())?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn under_one_id_a_local_job_that_died_is_done_and_one_that_is_done_is_not_repeated() -> Result<()> {
    let shop = Shop::open()?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,60,1\n")?;
    let id = ["--run-id", "2026-03-01T04:00:00Z"];
    ensure!(shop.lake.run_until("after_commit", &id)?.died());
    let report = shop.lake.run(&id)?.exits_with(0)?.document()?;
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 1);
    shop.deliver("2026-03-02", "b", "visit_id,seconds,guests\nv2,60,1\n")?;
    assert_eq!(shop.lake.run(&id)?.exits_with(0)?.document()?, report);
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 1);

    // Each command has jobs of its own, and a schedule's variable says the same as the flag.
    let maintained = shop
        .lake
        .call(&[&["maintain"], &id[..]].concat())?
        .exits_with(0)?
        .document()?;
    let mut again = shop.lake.command(&["maintain"]);
    let again: Run = again.env("MARKETLAKE_RUN_ID", id[1]).output()?.into();
    assert_eq!(again.exits_with(0)?.document()?, maintained);
    let unset = shop.lake.run(&["--run-id", "<aws.scheduler.scheduled-time>"])?;
    ensure!(
        unset
            .exits_with(2)?
            .stderr
            .contains("such as 2026-03-01T04:00:00Z")
    );
    Ok(())
}

/// What `doctor` says of a check that fails, and of the others.
fn diagnosed(lake: &S3Lake, queue: &str) -> Result<(i32, Vec<Value>)> {
    let run = lake.call(&["doctor", "--events", queue])?;
    let code = run.code.context("a signal")?;
    let document: Value = serde_json::from_str(&run.stdout).with_context(|| run.said())?;
    let checks = document["checks"].as_array().context("no checks")?;
    Ok((code, checks.clone()))
}

#[test]
fn a_doctor_looks_at_everything_and_says_which_permission_is_missing() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let (queue, topic) = (
        server.messages().queue("intake", 30)?,
        server.messages().topic("retail")?,
    );
    let proxy = Proxy::before(server.address(), None)?;
    let configured = format!(
        "notice_topic = \"{topic}\"\ncatalog = \"glue\"\n[[account]]\nalias = \"corner\"\nsource = \"shop\"\n"
    );
    let lake = visits(&server, &proxy, &configured)?;
    let (_, checks) = diagnosed(&lake, &queue)?;
    ensure!(
        checks
            .iter()
            .any(|check| check["state"] == "failed"
                && check["said"].to_string().contains("--create-databases")),
        "{checks:#?}"
    );
    let database = json!({"DatabaseInput": {"Name": "marketlake_shop"}});
    server.ask("AWSGlue.CreateDatabase", &database)?;
    let table = json!({"DatabaseName": "marketlake_shop", "TableInput": {"Name": "visits"}});
    server.ask("AWSGlue.CreateTable", &table)?;
    lake.deliver(&[visit(1)])?;
    let before = lake.delivered()?;
    let (code, checks) = diagnosed(&lake, &queue)?;
    ensure!(code == 0, "{checks:#?}");
    ensure!(
        checks.iter().filter(|check| check["state"] == "ok").count() == checks.len() && checks.len() > 22,
        "{checks:#?}"
    );

    let is_raw: Meant = |request| request.target.contains("prod/raw/");
    let glue = "arn:aws:glue:us-east-1:*:catalog";
    let missing: [(Meant, &str, &str); 13] = [
        (|request| request.service() == Some("sns"), "sns:Publish", &topic),
        (
            |request| request.asked() == Some("AWSGlue.GetDatabase"),
            "glue:GetDatabase",
            glue,
        ),
        (
            |request| request.asked() == Some("AWSGlue.GetTable"),
            "glue:GetTable",
            glue,
        ),
        (
            |request| request.asked() == Some("AWSGlue.UpdateTable"),
            "glue:UpdateTable",
            glue,
        ),
        (
            |request| request.asked() == Some("AWSGlue.CreateTable"),
            "glue:CreateTable",
            glue,
        ),
        (
            |request| request.target.contains("prefix=prod%2Fraw"),
            "s3:ListBucket",
            "arn:aws:s3:::lake",
        ),
        (is_raw, "s3:GetObject", "arn:aws:s3:::lake/prod/raw/*"),
        (
            |request| request.method == "PUT" && request.target.contains("/curated/"),
            "s3:PutObject",
            "arn:aws:s3:::lake/prod/curated/*",
        ),
        (
            |request| request.method == "GET" && request.target.contains("/curated/marketlake/doctor/"),
            "s3:GetObject",
            "arn:aws:s3:::lake/prod/curated/*",
        ),
        (
            |request| request.method == "DELETE" && request.target.contains("uploadId="),
            "s3:AbortMultipartUpload",
            "arn:aws:s3:::lake/prod/curated/*",
        ),
        (
            |request| request.asked() == Some("AmazonSQS.ReceiveMessage"),
            "sqs:ReceiveMessage",
            "the ARN of the queue",
        ),
        (
            |request| request.asked() == Some("AmazonSQS.DeleteMessage"),
            "sqs:DeleteMessage",
            "the ARN of the queue",
        ),
        (
            |request| request.asked() == Some("AmazonSQS.ChangeMessageVisibility"),
            "sqs:ChangeMessageVisibility",
            "the ARN of the queue",
        ),
    ];
    for (is_meant, action, resource) in missing {
        proxy.judge(move |request| match (is_meant(request), request.asked()) {
            (false, _) => Fault::None,
            (true, Some(_)) => Fault::Refused(400, "AccessDeniedException"),
            (true, None) => Fault::Refused(403, "AccessDenied"),
        });
        let (code, checks) = diagnosed(&lake, &queue)?;
        let failed: Vec<_> = checks.iter().filter(|check| check["state"] == "failed").collect();
        let lacks = |check: &Value| {
            let statement = &check["statement"];
            statement["Effect"] == "Allow"
                && statement["Action"] == json!([action])
                && statement["Resource"][0] == resource
        };
        ensure!(
            code == 1 && failed.iter().any(|check| lacks(check)),
            "{action}: {checks:#?}"
        );
    }
    proxy.judge(|_| Fault::None);
    // What was not tried is not said to be well.
    server.messages().encrypt(&queue, &topic, "1-2-3")?;
    let (code, checks) = diagnosed(&lake, &queue)?;
    let skipped: Vec<_> = checks
        .iter()
        .filter(|check| check["state"] == "skipped")
        .collect();
    let statements: Vec<_> = skipped.iter().map(|check| &check["statement"]).collect();
    let key = "arn:aws:kms:us-east-1:000000000000:key/1-2-3";
    let needs = |actions: Value, resource: &str| json!({"Effect": "Allow", "Action": actions, "Resource": [resource]});
    assert_eq!(
        (code, statements),
        (
            0,
            vec![
                &needs(json!(["kms:Decrypt"]), "the ARN of the key 1-2-3"),
                &needs(json!(["kms:GenerateDataKey", "kms:Decrypt"]), key)
            ]
        ),
        "{checks:#?}"
    );
    let (_, checks) = diagnosed(&lake, &format!("{queue}-of-nobody"))?;
    ensure!(
        checks.iter().any(|check| check["state"] == "failed"),
        "{checks:#?}"
    );
    assert_eq!(lake.delivered()?, before);

    let mut call = lake.command(&["doctor"]);
    let unconfigured = lake
        .ended(call.env("MARKETLAKE_PERSONAL_KEY", "secret:nothing"))?
        .exits_with(1)?;
    ensure!(
        unconfigured.stdout.contains("secret:nothing"),
        "{}",
        unconfigured.said()
    );
    let shop = Shop::open()?;
    let local = shop.lake.call(&["doctor"])?.exits_with(0)?;
    ensure!(
        local.stdout.contains("nothing of AWS is configured"),
        "{}",
        local.stdout
    );
    lake.has_no_secrets()
}
