"""Writes the templates as CloudFormation makes them of what they say, with every Fn::ForEach written out, into a folder.

    python expand.py FOLDER
"""
import json
import pathlib
import sys

from cfnlint.decode import decode
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension


def main(folder):
    for path in sorted(pathlib.Path(__file__).parent.parent.glob("*.yaml")):
        template, mistakes = decode(str(path))
        if mistakes:
            sys.exit("\n".join(map(str, mistakes)))
        mistakes, expanded = language_extension(Template(str(path), template))
        if mistakes:
            sys.exit("\n".join(map(str, mistakes)))
        (pathlib.Path(folder) / f"{path.stem}.json").write_text(json.dumps(expanded, indent=1))


main(sys.argv[1])
