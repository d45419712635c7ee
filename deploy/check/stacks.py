"""Makes every stack of deploy/ at an endpoint, as the page tells a person to, and prints what came out as JSON: outputs, what
tasks run, what schedules give them.

    python stacks.py http://127.0.0.1:4566
"""
import json
import pathlib
import re
import sys
import time

import botocore.session

DEPLOY = pathlib.Path(__file__).parent.parent
LAKE_REGION = "eu-west-1"
ACCOUNT = "000000000000"
# Stack, template, regions.
STACKS = [
    ("lake", [LAKE_REGION]),
    ("jwo", [LAKE_REGION]),
    ("landing", [LAKE_REGION]),
    ("stream", ["us-east-1", "eu-west-1", "us-west-2"]),
    ("yojaka", ["eu-west-1"]),
    ("jobs", [LAKE_REGION]),
]
# What the tests say beyond the parameter file.
SAID = {
    "AlertEmail": "operator@example.com",
    "JwoMerchant": "COFFEE_COMPANY",
    "JwoTopics": f"arn:aws:sns:{LAKE_REGION}:{ACCOUNT}:amazon-1,arn:aws:sns:{LAKE_REGION}:{ACCOUNT}:amazon-2",
    "JwoRegion": LAKE_REGION,
    "JwoBuckets": "amazon-1,amazon-2",
    "JwoKeys": "arn:aws:kms:eu-west-1:111122223333:key/1",
    "YojakaStages": "production,sandbox",
    "YojakaMerchants": "A15DHF3L2G99Q0",
    "Jobs": "Jwo,Stream,Reports,Yojaka,Maintain",
}


def main(endpoint):
    session = botocore.session.get_session()

    def client(service, region=LAKE_REGION):
        return session.create_client(
            service, region, endpoint_url=endpoint, aws_access_key_id=ACCOUNT, aws_secret_access_key="none"
        )

    for topic in ("amazon-1", "amazon-2"):
        client("sns").create_topic(Name=topic)
    parameters = json.loads((DEPLOY / "parameters.json").read_text())["Parameters"] | SAID
    outputs = {}
    for name, regions in STACKS:
        text = without_math((DEPLOY / f"{name}.yaml").read_text())
        for region in regions:
            made = create(client("cloudformation", region), f"marketlake-{name}", text, parameters)
            outputs[f"{name}@{region}"] = made
    print(json.dumps({"outputs": outputs, "tasks": tasks(client("ecs")), "started": started(client("scheduler"))}))


def without_math(text):
    """A template whose alarms are of a metric itself: the emulator makes none of an expression."""
    plain = r"\1Namespace: math\n\1MetricName: math\n\1Statistic: Sum\n\1Period: 3600\n"
    return re.sub(r"^( +)Metrics:\n(?:\1 .*\n)+", plain, text, flags=re.MULTILINE)


def tasks(ecs):
    """What each job runs, and with what environment."""
    found = {}
    for family in ("jwo", "stream", "reports", "yojaka", "maintain", "hand"):
        task = ecs.describe_task_definition(taskDefinition=f"marketlake-{family}")["taskDefinition"]
        container = task["containerDefinitions"][0]
        environment = {one["name"]: one["value"] for one in container["environment"]}
        found[family] = {"command": container["command"], "environment": environment}
    return found


def started(scheduler):
    """What each schedule adds to the environment of its task."""
    found = {}
    for name in [one["Name"] for one in scheduler.list_schedules(GroupName="marketlake")["Schedules"]]:
        said = json.loads(scheduler.get_schedule(GroupName="marketlake", Name=name)["Target"]["Input"])
        [container] = said["containerOverrides"]
        found[name.removeprefix("marketlake-")] = {one["name"]: one["value"] for one in container["environment"]}
    return found


def create(cloud, stack, text, parameters):
    wanted = cloud.get_template_summary(TemplateBody=text)["Parameters"]
    names = {parameter["ParameterKey"] for parameter in wanted}
    cloud.create_stack(
        StackName=stack,
        TemplateBody=text,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items() if k in names],
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    while True:
        found = cloud.describe_stacks(StackName=stack)["Stacks"][0]
        if found["StackStatus"] == "CREATE_COMPLETE":
            return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
        if not found["StackStatus"].endswith("CREATE_IN_PROGRESS"):
            events = cloud.describe_stack_events(StackName=stack)["StackEvents"]
            failed = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"]]
            sys.exit(f"{stack}: {found['StackStatus']} {found.get('StackStatusReason')}\n" + "\n".join(failed))
        time.sleep(0.2)


main(sys.argv[1])
