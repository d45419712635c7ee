"""The templates as CloudFormation makes them of what they say, with every Fn::ForEach written out.

    python expand.py FOLDER     writes them there, for tools that do not know it
"""
import json
import pathlib
import sys

from cfnlint.decode import decode
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension


def expanded(path):
    """One of them."""
    template, mistakes = decode(str(path))
    if not mistakes:
        mistakes, template = language_extension(Template(str(path), template))
    if mistakes:
        sys.exit("\n".join(map(str, mistakes)))
    return json.loads(json.dumps(template))


def main(folder):
    for path in sorted(pathlib.Path(__file__).parent.parent.glob("*.yaml")):
        (pathlib.Path(folder) / f"{path.stem}.json").write_text(json.dumps(expanded(path), indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
