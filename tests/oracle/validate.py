"""Validates documents against the JSON Schemas of docs/schemas.

    venv/bin/python validate.py --schemas docs/schemas documents.json

`documents.json` is an array of `[name, document]`. For programs that read them, schemas let a document have more fields
than they name; here every field has to be named. With `--all-but acquire` each schema must be used by one document at
least, but those of that command. What is wrong goes to stdout, and the exit code is 1.
"""

import argparse
import json
import sys
from datetime import date, datetime
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date", raises=ValueError)
def is_date(value):
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@FORMATS.checks("date-time", raises=ValueError)
def is_instant(value):
    return not isinstance(value, str) or bool(datetime.fromisoformat(value[:19]) and value.endswith("Z"))


def closed(schema):
    """The schema with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--schemas", type=Path, required=True)
    arguments.add_argument("--all-but", metavar="COMMAND")
    arguments.add_argument("documents", type=Path)
    arguments = arguments.parse_args()
    validators = {}
    for path in sorted(arguments.schemas.glob("*.json")):
        schema = closed(json.loads(path.read_text()))
        Draft202012Validator.check_schema(schema)
        validators[path.stem] = Draft202012Validator(schema, format_checker=FORMATS)
    wrong, used = 0, set()
    for name, document in json.loads(arguments.documents.read_text()):
        used.add(name)
        for error in validators[name].iter_errors(document):
            wrong += 1
            print(f"{name}: {error.json_path}: {error.message[:300]}")
    unused = validators.keys() - used if arguments.all_but else ()
    for name in sorted(name for name in unused if name.split("_")[0] != arguments.all_but):
        wrong += 1
        print(f"{name}: no document uses it")
    sys.exit(1 if wrong else 0)


main()
