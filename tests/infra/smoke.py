"""Creates the transformed template once, on a server of AWS's protocols, and looks at what came of it.

It shows that references resolve and names agree, no more: LEFT_OUT is what the server does not make, and what it makes it
makes loosely. What stands in the template is template.py's to check.
"""

import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3
from botocore.config import Config

from template import TEMPLATE, transformed

GIVEN = {"Domain": "packages.example.org", "AdminTokenSha256": "0" * 64}
NOTHING = {"Ref": "AWS::NoValue"}
# What ministack 1.4.21 does not make; who refers to it is given this word.
GONE = "left-out"
LEFT_OUT = {
    "AWS::CloudFront::CachePolicy": "unknown to it",
    "AWS::CloudFront::Function": "unknown to it",
    "AWS::CloudFront::OriginAccessControl": "unknown to it",
    "AWS::CloudFront::OriginRequestPolicy": "unknown to it",
    "AWS::CloudFront::ResponseHeadersPolicy": "unknown to it",
    "AWS::CloudFront::Distribution": "consists of those",
    "ServerErrors": "an alarm over arithmetic",
}


def settled(template):
    """The template for these parameters, so that none, no condition and no rule is left in it."""
    values = {name: held.get("Default") for name, held in template["Parameters"].items()} | GIVEN

    def truth(node):
        [(verb, parts)] = node.items()
        if verb == "Fn::Not":
            return not truth(parts[0])
        left, right = (values[p["Ref"]] if isinstance(p, dict) else p for p in parts)
        return str(left) == str(right)

    gone = {name for name, held in template["Resources"].items() if {name, held["Type"]} & set(LEFT_OUT)}
    conditions = {name: truth(node) for name, node in template["Conditions"].items()}

    def walk(node):
        if isinstance(node, list):
            return [held for held in map(walk, node) if held != NOTHING]
        if isinstance(node, str):
            for name, value in values.items():
                node = node.replace("${%s}" % name, str(value))
            return re.sub(r"\$\{(\w+)(\.\w+)?\}", lambda m: GONE if m[1] in gone else m[0], node)
        if not isinstance(node, dict):
            return node
        if list(node) == ["Fn::If"]:
            name, yes, no = node["Fn::If"]
            return walk(yes if conditions[name] else no)
        if list(node) == ["Ref"] and node["Ref"] in values:
            return values[node["Ref"]]
        if node.get("Ref") in gone or node.get("Fn::GetAtt", [None])[0] in gone:
            return GONE
        pairs = ((key, walk(value)) for key, value in node.items())
        return {key: value for key, value in pairs if value != NOTHING}

    def stays(name, resource):
        return name not in gone and conditions.get(resource.get("Condition"), True)

    resources = {name: held for name, held in template["Resources"].items() if stays(name, held)}
    for held in resources.values():
        held.pop("Condition", None)
    kept = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, "Outputs": template["Outputs"]}
    return walk(json.loads(json.dumps(kept)))


def create(endpoint):
    def client(service):
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, connect_timeout=2, read_timeout=60)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=endpoint, config=config, **keys)

    s3 = client("s3")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="bootstrap.zip", Body=packed.getvalue())

    formation = client("cloudformation")
    text = json.dumps(settled(transformed()[1]))
    formation.create_stack(StackName="packhouse", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    for _ in range(300):
        stack = formation.describe_stacks(StackName="packhouse")["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.2)
    events = formation.describe_stack_events(StackName="packhouse")["StackEvents"]
    failed = [e for e in events if "FAILED" in e["ResourceStatus"]]
    assert stack["StackStatus"] == "CREATE_COMPLETE", json.dumps(failed, default=str, indent=1)

    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Url"] == "https://packages.example.org"
    table = client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["due"]
    assert s3.get_bucket_versioning(Bucket=outputs["BucketName"])["Status"] == "Enabled"
    found = set()
    for function in client("lambda").list_functions()["Functions"]:
        told = function["Environment"]["Variables"]
        assert told["PACKHOUSE_TABLE"] == outputs["TableName"]
        assert told["PACKHOUSE_BUCKET"] == outputs["BucketName"]
        assert function["Architectures"] == ["arm64"]
        found.add(told["PACKHOUSE_ROLE"])
    assert found == {"read", "publish", "worker"}, found
    return len(json.loads(text)["Resources"])


def package(endpoint, folder):
    """What `packhouse admin deploy` runs first: the AWS CLI uploads the code and writes the template anew, without the
    aliases that CloudFormation does not read."""
    beside = pathlib.Path(folder) / "deployed"
    beside.mkdir()
    (beside / "template.yaml").write_bytes(TEMPLATE.read_bytes())
    with zipfile.ZipFile(beside / "bootstrap.zip", "w") as code:
        code.writestr("bootstrap", "#!/bin/sh\n")
    aws = pathlib.Path(sys.executable).parent.parent / "awscli/bin/aws"
    told = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "HOME": folder}
    subprocess.run([aws, "s3", "mb", "s3://code-bucket"], env=told, check=True, stdout=subprocess.DEVNULL)
    command = [aws, "cloudformation", "package", "--template-file", beside / "template.yaml", "--s3-bucket", "code-bucket"]
    packaged = beside / "packaged.yaml"
    subprocess.run(command + ["--output-template-file", packaged], env=told, check=True, stdout=subprocess.DEVNULL)
    text = packaged.read_text()
    assert text.count("CodeUri: s3://code-bucket/") == 3 and "CodeUri: bootstrap.zip" not in text, "the code is not uploaded"
    # CloudFormation takes 51,200 bytes in a request and 1 MB from a bucket, as `deploy --s3-bucket` hands it over.
    assert len(text.encode()) < 1_000_000, "the template is too long"
    print(f"template.yaml: {len(text.encode())} bytes once it is packaged")
    aliases = [line for line in text.splitlines() if re.search(r"(: |- )[&*][A-Za-z]", line)]
    assert not aliases, aliases


def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, open(pathlib.Path(folder) / "log", "w+") as log:
        program = pathlib.Path(sys.executable).parent / "ministack"
        told = {**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "HOME": folder, "TMPDIR": folder}
        server = subprocess.Popen([program], env=told, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            for _ in range(150):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            package(f"http://127.0.0.1:{port}", folder)
            made = create(f"http://127.0.0.1:{port}")
        except BaseException:
            log.seek(0)
            print(log.read()[-3000:], file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait(timeout=30)
    print(f"template.yaml: a stack of {made} resources was created, without {', '.join(LEFT_OUT)}")


main()
