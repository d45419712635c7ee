"""Runs the functions that stand in the templates on messages as Amazon sends them, with streams of an endpoint behind them, and
fails where one does not do what it is for.

    python functions.py http://127.0.0.1:4566
"""
import datetime
import json
import os
import pathlib
import sys
import types

import botocore.session
import yaml

DEPLOY = pathlib.Path(__file__).parent.parent
LAKE_REGION = "eu-west-1"
PASSWORD = "4711-0815"
NOW = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)


class Loader(yaml.SafeLoader):
    """Reads a template without a thought about its functions."""


def plain(loader, _, node):
    kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    return kinds.get(type(node), loader.construct_mapping)(node)


Loader.add_multi_constructor("!", plain)


def code(template, *path):
    found = yaml.load((DEPLOY / template).read_text(), Loader)["Resources"]
    for name in path:
        found = found[name]
    return found["Properties"]["Code"]["ZipFile"]


class Refuses:
    """A client of which every call fails."""

    def __getattr__(self, name):
        def call(**_):
            raise ConnectionError(PASSWORD)

        return call


def load(source, clients, **variables):
    """The function as Lambda has it, with these clients."""
    os.environ.update(variables)
    fake = types.ModuleType("boto3")
    fake.client = lambda service, region_name=None: clients(service, region_name)
    sys.modules["boto3"] = fake
    module = types.ModuleType("index")
    exec(compile(source, "index.py", "exec"), module.__dict__)
    return module.handler


def message(number, body, stream="marketlake-sp-traffic"):
    return {
        "messageId": str(number),
        "body": body if isinstance(body, str) else json.dumps(body),
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{stream}",
    }


def traffic(number):
    return {
        "idempotency_id": f"i-{number}",
        "dataset_id": "sp-traffic",
        "marketplace_id": "ATVPDKIKX0DER",
        "currency": "USD",
        "advertiser_id": "ENTITY1",
        "campaign_id": "1",
        "ad_group_id": "2",
        "ad_id": "3",
        "keyword_id": "4",
        "placement": "Top of Search on-Amazon",
        "time_window_start": NOW.isoformat(),
        "clicks": 1,
        "impressions": 10,
        "cost": 0.25,
    }


def stream(clients):
    source = code("stream.yaml", "Function")
    confirmed = []

    class Sns:
        def confirm_subscription(self, TopicArn, Token):
            confirmed.append((TopicArn, Token))

    def some(service, region):
        return Sns() if service == "sns" else clients(service, region)

    handler = load(source, some, LAKE_REGION=LAKE_REGION)
    asked = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:us-east-1:906013806264:t", "Token": "secret"}
    messages = [message(0, asked)] + [message(n, traffic(n)) for n in (1, 2, 2)]
    assert handler({"Records": messages}, None) == {"batchItemFailures": []}
    assert confirmed == [(asked["TopicArn"], "secret")]

    put = []

    class Firehose:
        def put_record(self, DeliveryStreamName, Record):
            put.append((DeliveryStreamName, Record["Data"]))

    # What is more than a record may have goes in several.
    handler = load(source, lambda *_: Firehose(), LAKE_REGION=LAKE_REGION)
    large = [message(n, "x" * 250_000) for n in range(8)]
    assert handler({"Records": large}, None) == {"batchItemFailures": []}
    assert len(put) == 3 and all(len(data) < 1_000 * 1024 for _, data in put)
    assert b"".join(data for _, data in put).count(b"x") == 2_000_000

    # What is refused comes again, and nothing else.
    refusing = lambda service, _: Refuses() if service == "firehose" else Sns()
    handler = load(source, refusing, LAKE_REGION=LAKE_REGION)
    failed = handler({"Records": [*messages, message(3, "no JSON")]}, None)["batchItemFailures"]
    assert [one["itemIdentifier"] for one in failed] == ["1", "2", "2", "3"]


def event(number, detail, kind="Returns.OutForDelivery"):
    return {
        "version": "0",
        "id": f"e-{number}",
        "detail-type": kind,
        "source": "com.amazon.yojaka.returns",
        "account": "096882763573",
        "time": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-west-1",
        "resources": [],
        "detail": {"merchantId": "A1", "returnId": f"r-{number}", "returnLocationId": "l-1", **detail},
    }


def yojaka(clients):
    loop = yaml.load((DEPLOY / "yojaka.yaml").read_text(), Loader)["Resources"]["Fn::ForEach::Stages"][2]
    source = loop["Function${Stage}"]["Properties"]["Code"]["ZipFile"]
    variables = {"LAKE_REGION": LAKE_REGION, "STREAM": "marketlake-yojaka-production"}
    handler = load(source, clients, **variables)
    for number, detail in enumerate(
        [
            {"otp": PASSWORD},
            {"otp": ""},
            {"otp": None},
            {},
            {"otpDetails": {"otp": PASSWORD, "validTill": "2026-03-02"}},
            {"proof": [{"deliveryOTP": PASSWORD}, {"one_time_password": int(PASSWORD.replace("-", ""))}]},
            {"note": json.dumps({"oneTimePassCode": PASSWORD})},
        ]
    ):
        handler(event(number, detail), None)
    put = []

    class Firehose:
        def put_record(self, DeliveryStreamName, Record):
            put.append(json.loads(Record["Data"]))

    # Whatever has no password comes through as it is.
    handler = load(source, lambda *_: Firehose(), **variables)
    created = event(9, {"orderId": "ümlaut", "topic": "stop", "list": [1, {"a": None}], "text": "{not json"}, "Orders.Created")
    handler(created, None)
    assert put == [created]
    # What fails is not told, and is tried again.
    handler = load(source, lambda *_: Refuses(), **variables)
    try:
        handler(created, None)
    except ConnectionError:
        return
    sys.exit("an event was lost")


def landed(clients):
    """What lies in the raw bucket, of which nothing has a password."""
    s3 = clients("s3", LAKE_REGION)
    bucket = f"marketlake-raw-000000000000-{LAKE_REGION}"
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    text = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}
    events = [body for key, body in text.items() if key.startswith("yojaka/production/year=")]
    assert len(events) == 7 and sum('"removed"' in body for body in events) >= 2, keys
    for body in text.values():
        assert PASSWORD not in body and PASSWORD.replace("-", "") not in body
    messages = [body for key, body in text.items() if key.startswith("ams/sp-traffic/year=")]
    assert "".join(messages).count("idempotency_id") == 3, keys


def main(endpoint):
    session = botocore.session.get_session()

    def clients(service, region):
        return session.create_client(
            service, region, endpoint_url=endpoint, aws_access_key_id="000000000000", aws_secret_access_key="none"
        )

    stream(clients)
    yojaka(clients)
    landed(clients)


main(sys.argv[1])
