"""Runs the CDN's function on Node: its code as the template has it, with the one module that it imports replaced."""

import pathlib
import subprocess
import sys
import tempfile

from template import ROOT, TEMPLATE, load, plain

STUB = "export default { chosen: null, selectRequestOriginById(id) { this.chosen = id; } };\n"
IMPORT = "import cf from 'cloudfront';"
# A function that does not do what it should: the expectations must see each of these.
SLIPS = [
    ("method !== 'GET'", "method === 'POST'"),
    ("delete headers['x-packhouse-turn'];", ""),
    ("'x-packhouse-viewer'] =", "'x-viewer'] ="),
    ("request.uri = blob[1];", ""),
    ("'${Private}' === 'true' ||", ""),
    ("agent.indexOf('atopile/') === 0", "false"),
    ("[0-9a-f]{64}", ".*"),
    ("host === 'files.${Domain}'", "false"),
]


def run(code, shown):
    """Whether the expectations hold of this code."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for private in ("true", "false"):
            text = code.replace("${Private}", private).replace("${Domain}", "packages.example.org")
            if "${" in text:
                sys.exit("route: the function is given a value that this test does not know")
            text = text.replace(IMPORT, "import cf from './cloudfront.mjs';")
            (folder / f"route-{private}.mjs").write_text(text + "\nexport { handler };\n")
        (folder / "cloudfront.mjs").write_text(STUB)
        (folder / "test.mjs").write_text((ROOT / "tests/infra/route.mjs").read_text())
        output = None if shown else subprocess.DEVNULL
        return subprocess.run(["node", "test.mjs"], cwd=folder, stderr=output).returncode == 0


def main():
    code = plain(load(str(TEMPLATE)))["Resources"]["Route"]["Properties"]["FunctionCode"]["Fn::Sub"]
    if IMPORT not in code:
        sys.exit("route: the function does not import what is replaced here")
    if not run(code, shown=True):
        sys.exit("route: the CDN's function does not choose as it should")
    for right, wrong in SLIPS:
        if right not in code:
            sys.exit(f"route: the function has no `{right}` that could be made wrong")
        if run(code.replace(right, wrong), shown=False):
            sys.exit(f"route: nothing notices `{wrong}` in the place of `{right}`")
    print(f"template.yaml: the CDN's function chooses as it should; {len(SLIPS)} slips are noticed")


main()
