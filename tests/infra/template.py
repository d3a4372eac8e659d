"""Asserts on the template, as CloudFormation will see it: transformed offline, then read as JSON.

Usage: python tests/infra/template.py [--iam]   (--iam: print the table of docs/aws-iam.md)
"""

import copy
import json
import pathlib
import re
import sys

from cfnlint.decode.cfn_yaml import load
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "lambda/template.yaml"
PAGE = ROOT / "docs/aws-iam.md"
ROLES = ["ReadRole", "PublishRole", "WorkerRole"]
READS = re.compile(r"^(dynamodb:(GetItem|BatchGetItem|Query)|s3:(GetObject|ListBucket)|logs:\w+)$")


def plain(node):
    """Without the line numbers that the loader hangs on its nodes."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    return [plain(item) for item in node] if isinstance(node, list) else node


def transformed():
    source = plain(load(str(TEMPLATE)))
    for name in ["Read", "Publish", "Worker"]:
        source["Resources"][name]["Properties"]["CodeUri"] = "s3://code/bootstrap.zip"
    import boto3

    session = boto3.Session(region_name="us-east-1")
    translator = Translator({}, Parser(), boto_session=session)
    return source, translator.translate(copy.deepcopy(source), {})


def statements(template):
    for role in ROLES:
        for policy in template["Resources"][role]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield role, statement


def listed(value):
    return value if isinstance(value, list) else [value]


def resource(value):
    """`Bucket/blobs/*` for what CloudFormation writes in one of two ways."""
    if "Fn::GetAtt" in value:
        return value["Fn::GetAtt"][0]
    return value["Fn::Sub"].replace("${", "").replace(".Arn}", "")


def problems(source, template):
    found = []

    def must(holds, what):
        if not holds:
            found.append(what)

    resources = template["Resources"]
    table = resources["Table"]["Properties"]
    must(table.get("TimeToLiveSpecification") == {"AttributeName": "ttl", "Enabled": True}, "the table has no TTL")
    recovery = table.get("PointInTimeRecoverySpecification", {})
    must(recovery.get("PointInTimeRecoveryEnabled") is True, "the table has no point-in-time recovery")
    must(table.get("BillingMode") == "PAY_PER_REQUEST", "the table is not on demand")
    must(table.get("DeletionProtectionEnabled") is True, "the table can be deleted by accident")
    for name in ["Table", "Bucket"]:
        must(resources[name].get("DeletionPolicy") == "Retain", f"{name} goes with the stack")
    for name in ["Bucket", "LogBucket"]:
        bucket = resources[name]["Properties"]
        must(bucket.get("VersioningConfiguration", {}).get("Status") == "Enabled", f"{name} keeps no versions")
        block = bucket.get("PublicAccessBlockConfiguration", {})
        must(len(block) == 4 and all(value is True for value in block.values()), f"{name} may become public")
        must("BucketEncryption" in bucket, f"{name} is not encrypted")
    rules = resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    staging = [rule for rule in rules if rule.get("Prefix") == "staging/"]
    must(any("ExpirationInDays" in r and "NoncurrentVersionExpiration" in r for r in staging), "staged bytes stay")

    cdn = resources["Cdn"]["Properties"]["DistributionConfig"]
    origins = {}
    for origin in cdn["Origins"]:
        origin = origin["Fn::If"][1] if "Fn::If" in origin else origin
        origins[origin["Id"]] = origin
    for name in ["read", "publish"]:
        headers = origins[name].get("OriginCustomHeaders", [])
        secret = [h for h in headers if h["HeaderName"] == "x-packhouse-origin"]
        must(len(secret) == 1 and "resolve:secretsmanager" in json.dumps(secret), f"origin {name} sends no secret")
        must("OriginAccessControlId" not in origins[name], f"origin {name} would lose `Authorization`")
    must("OriginAccessControlId" in origins["s3"], "the bucket is not asked through OAC")
    must("staging" not in json.dumps(cdn) and "records" not in json.dumps(cdn), "the CDN reaches staged bytes")
    blobs = cdn["CacheBehaviors"][0]["Fn::If"][1]
    told = resources.get(blobs.get("OriginRequestPolicyId", {}).get("Ref"), {}).get("Properties", {})
    told = told.get("OriginRequestPolicyConfig", {}).get("HeadersConfig", {}).get("Headers", [])
    must({"User-Agent", "x-packhouse-viewer"} <= set(told), "the read function does not know `ato` when it asks for blobs")
    must("Authorization" not in told, "S3 is sent the tokens of clients")
    policy = json.dumps(resources["BucketPolicy"])
    must("staging" not in policy and "records" not in policy, "the bucket hands staged bytes to the CDN")

    must("packhouse-withheld" in policy, "the CDN hands out what is in quarantine")
    must('"packhouse-withheld"' in (ROOT / "lambda/src/s3/blobs.rs").read_text(), "blobs are tagged with another word")
    jobs = resources["Jobs"]["Properties"]
    must(jobs.get("RedrivePolicy", {}).get("maxReceiveCount") == 5, "jobs that always fail are not put aside")
    worker = resources["Worker"]["Properties"]["Timeout"]
    must(jobs.get("VisibilityTimeout", 0) >= 6 * worker, "a job comes again while it is being done")
    sources = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    answers = [source.get("FunctionResponseTypes") for source in sources]
    must(answers == [["ReportBatchItemFailures"]], "one job that fails brings a whole batch again")

    urls = [r for r in resources.values() if r["Type"] == "AWS::Lambda::Url"]
    must(len(urls) == 2, "two functions have a URL")
    for url in urls:
        must(url["Properties"].get("InvokeMode") == "RESPONSE_STREAM", "a function's answers are not streamed")
    invokes = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Permission"]
    for action in ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]:
        public = [p for p in invokes if p["Action"] == action and p.get("Principal") == "*"]
        must(len(public) == 2, f"the URLs lack {action}")
    functions = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Function"]
    must(len(functions) == 3, "there are three functions")
    for function in functions:
        must(function["Runtime"] == "provided.al2023", "a function has another runtime")
        must("LogGroup" in function.get("LoggingConfig", {}), "a function's log has no group with an end")
    for name, group in resources.items():
        if group["Type"] == "AWS::Logs::LogGroup":
            must("RetentionInDays" in group["Properties"], f"{name} is kept for ever")

    needed = [name for name, parameter in source["Parameters"].items() if "Default" not in parameter]
    must(len(needed) <= 3 and "AdminTokenSha256" in needed, f"needed parameters: {needed}")
    seen = set()
    for role, statement in statements(template):
        sid = statement.get("Sid")
        must(bool(sid) and (role, sid) not in seen, f"{role}: a statement without a name of its own")
        seen.add((role, sid))
        for action in listed(statement["Action"]):
            must("*" not in action, f"{role}.{sid}: a wildcard in {action}")
            turns = statement.get("Condition", {}).get("ForAllValues:StringLike") == {"dynamodb:LeadingKeys": ["~turn#*"]}
            must(role != "ReadRole" or READS.match(action) or (action == "dynamodb:UpdateItem" and turns), f"the read role may {action}")
        for arn in listed(statement["Resource"]):
            must("Arn" in json.dumps(arn), f"{role}.{sid}: a resource that is none of the stack's")
            text = arn.get("Fn::Sub", "") if isinstance(arn, dict) else arn
            folder = re.fullmatch(r"\$\{\w+\.Arn\}/[a-z]+/\*", text)
            must("*" not in text or folder, f"{role}.{sid}: a wildcard that is not one folder's: {text}")

    config = (ROOT / "lambda/src/config.rs").read_text()
    known = set(re.findall(r'"(PACKHOUSE_[A-Z0-9_]+)"', config))
    for function in functions:
        told = {name for name in function["Environment"]["Variables"] if name.startswith("PACKHOUSE_")}
        must(told <= known, f"functions do not know {sorted(told - known)}")
        must({"PACKHOUSE_ROLE", "PACKHOUSE_TABLE", "PACKHOUSE_BUCKET", "PACKHOUSE_PUBLIC_URL"} <= told, "a variable is missing")
    return found


def iam(template):
    rows = ["| role | statement | call | on |", "|---|---|---|---|"]
    for role, statement in statements(template):
        calls = ", ".join(f"`{action}`" for action in listed(statement["Action"]))
        on = ", ".join(f"`{resource(arn)}`" for arn in listed(statement["Resource"]))
        rows.append(f"| {role.removesuffix('Role').lower()} | {statement['Sid']} | {calls} | {on} |")
    return "\n".join(rows)


def breaks(template):
    """Each of these must be noticed, or the assertions are worth nothing."""

    def at(*path):
        def change(broken):
            node = broken
            for key in path[:-1]:
                node = node[key]
            del node[path[-1]]

        return change

    def allow_all(broken):
        broken["Resources"]["ReadRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"] = "dynamodb:*"

    def whole_bucket(broken):
        policy = broken["Resources"]["PublishRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        policy["Statement"][-2]["Resource"] = {"Fn::Sub": "${Bucket.Arn}/*"}

    def no_secret(broken):
        broken["Resources"]["Cdn"]["Properties"]["DistributionConfig"]["Origins"][0]["OriginCustomHeaders"] = []

    def any_item(broken):
        policy = broken["Resources"]["ReadRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        [turns] = [statement for statement in policy["Statement"] if statement["Sid"] == "TurnsUpdateItem"]
        del turns["Condition"]

    for change in [
        at("Resources", "Table", "Properties", "TimeToLiveSpecification"),
        at("Resources", "Table", "Properties", "PointInTimeRecoverySpecification"),
        at("Resources", "Bucket", "Properties", "VersioningConfiguration"),
        at("Resources", "Bucket", "Properties", "PublicAccessBlockConfiguration", "BlockPublicAcls"),
        at("Resources", "ToBlobs"),
        at("Resources", "Jobs", "Properties", "RedrivePolicy"),
        at("Resources", "Jobs", "Properties", "VisibilityTimeout"),
        at("Resources", "ReadLog", "Properties", "RetentionInDays"),
        at("Resources", "WorkerRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0, "Sid"),
        allow_all,
        any_item,
        whole_bucket,
        no_secret,
    ]:
        broken = copy.deepcopy(template)
        change(broken)
        yield broken


def main():
    source, template = transformed()
    if "--iam" in sys.argv:
        print(iam(template))
        return
    found = problems(source, template)
    for broken in breaks(template):
        if not problems(source, broken):
            found.append("an assertion does not notice what it is for")
    explained = set(re.findall(r"^\| `(\w+)` \| \S", PAGE.read_text(), re.MULTILINE))
    named = {statement["Sid"] for _, statement in statements(template)}
    if explained != named:
        found.append(f"{PAGE.relative_to(ROOT)} explains other statements than there are: {sorted(explained ^ named)}")
    if iam(template) not in PAGE.read_text():
        found.append(f"{PAGE.relative_to(ROOT)} is not the table of the template: print it with --iam")
    for problem in found:
        print(f"template.yaml: {problem}", file=sys.stderr)
    print(f"template.yaml: {len(list(statements(template)))} rights, {len(found)} problems")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
