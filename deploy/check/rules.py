"""What the parts of deploy/ have to agree on, which no linter knows. Prints what does not hold."""
import json
import pathlib
import re
import sys

from expand import expanded

DEPLOY = pathlib.Path(__file__).parent.parent
# More is refused by CloudFormation, and by the AWS CLI without a bucket.
LARGEST = 51_200


def main():
    templates = {path.stem: path.read_text() for path in sorted(DEPLOY.glob("*.yaml"))}
    written_out = {name: expanded(DEPLOY / f"{name}.yaml") for name in templates}
    wrong = [
        *sizes(templates),
        *parameters(written_out),
        *data_sets(written_out),
        *queues(written_out),
        *names(written_out),
    ]
    print("\n".join(wrong))
    sys.exit(bool(wrong))


def sizes(templates):
    for name, text in templates.items():
        if len(text.encode()) > LARGEST:
            yield f"{name}.yaml has more than {LARGEST} bytes"


def parameters(templates):
    """Each parameter of the file is one of a template, and has a line on the page; each without a default is in the file."""
    said = json.loads((DEPLOY / "parameters.json").read_text())["Parameters"]
    page = (DEPLOY / "README.md").read_text()
    known = {}
    for name, template in templates.items():
        for parameter, about in template["Parameters"].items():
            known.setdefault(parameter, []).append((name, about))
    for parameter in said.keys() - known.keys():
        yield f"parameters.json: {parameter} is no parameter of a template"
    for parameter, places in known.items():
        if parameter not in said:
            yield f"{places[0][0]}.yaml: {parameter} is not in parameters.json"
        if f"`{parameter}`" not in page and not re.match("(Jwo|Stream|Yojaka|Reports).*(Schedule|MissedAfter)", parameter):
            yield f"README.md does not say what {parameter} is"
        for kept in ("Type", "AllowedPattern", "AllowedValues"):
            if len({json.dumps(about.get(kept)) for _, about in places}) > 1:
                yield f"{parameter}: {kept} is not the same in {', '.join(name for name, _ in places)}"


def data_sets(templates):
    """There is one table of data sets, and a copy of its names."""
    names = {
        template: {key: value["Name"] for key, value in templates[template]["Mappings"]["DataSets"].items()}
        for template in ("stream", "landing")
    }
    if names["stream"] != names["landing"]:
        yield "stream.yaml and landing.yaml call data sets by other names"


def queues(templates):
    for name, template in templates.items():
        for resource, about in template["Resources"].items():
            if about["Type"] == "AWS::SQS::Queue" and about["Properties"].get("SqsManagedSseEnabled") is not True:
                yield f"{name}.yaml: {resource} is not encrypted"


def names(templates):
    """All stacks may be in one region, where no two resources of a type have one name."""
    first = {}
    for template, about in templates.items():
        for resource, made in about["Resources"].items():
            name = name_of(made)
            if name is None:
                continue
            here = f"{template}.yaml: {resource}"
            there = first.setdefault((made["Type"], name), here)
            if there != here:
                yield f"{here} has the name of {there}: {name}"


def name_of(resource):
    """What it is called beyond its stack; None where CloudFormation chooses."""
    properties = resource.get("Properties", {})
    properties = properties.get("DatabaseInput", properties)
    kind = resource["Type"].split("::")[-1]
    said = next((properties[name] for name in ("Name", f"{kind}Name", "Family") if name in properties), None)
    return said and text_of(said)


def text_of(value):
    """A text with ${NAME} for what only a stack knows, however it is put together."""
    if isinstance(value, str):
        return value
    [(function, said)] = value.items()
    if function == "Ref":
        return "${" + said + "}"
    if function == "Fn::Join":
        return said[0].join(map(text_of, said[1]))
    if function == "Fn::Sub" and isinstance(said, str):
        return said
    if function == "Fn::Sub":
        text, values = said
        for name, one in values.items():
            text = text.replace("${" + name + "}", text_of(one))
        return text
    return json.dumps(value)


main()
