"""The functions' cold start beside the least that a function does: from exec to the first answer.

Lambda's runtime API is played here, on loopback: it hands out one event and takes the answer. The start of
the virtual machine and TLS are in no figure. The ledger is a server of DynamoDB's protocol with an empty table.
"""
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

from . import servers
from .measure import alternate, rss_mb, spread

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DYNAMO = os.path.join(ROOT, "target/tools/node_modules/@dynoxide/linux-x64/dynoxide")
ORIGIN = "the-secret-between-cdn-and-function"
TABLE = "packhouse"
# The keys of AWS's documentation: they open nothing.
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
# What the queue brings the worker: the job that needs nothing but the ledger.
SWEEP = {"Records": [{"messageId": "1", "receiptHandle": "r", "body": '{"job":"sweep"}', "eventSource": "aws:sqs"}]}
WARM = 20
LIMIT_S = 20


def build(target):
    """The functions as they ship, and the peer. Answers the paths of both programs."""
    print("building the functions and their peer", flush=True)
    command = ["cargo", "build", "--profile", "lambda", "--locked", "--quiet", "-p", "packhouse-lambda"]
    subprocess.run([*command, "--bin", "bootstrap"], cwd=ROOT, check=True)
    peer = os.path.join(ROOT, "tests/long/hello-function")
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    hello = os.path.join(target, "hello-function")
    subprocess.run(command, cwd=peer, check=True, env={**os.environ, "CARGO_TARGET_DIR": hello})
    return os.path.join(target, "lambda/bootstrap"), os.path.join(hello, "release/packhouse-hello-function")


def event(path):
    """A GET as a function URL hands it over."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"host": "abc.lambda-url.example", "x-packhouse-origin": ORIGIN, "accept": "*/*"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.example", "domainPrefix": "abc",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "bench"},
            "requestId": "b3d4", "routeKey": "$default", "stage": "$default",
            "time": "26/Nov/2026:12:00:00 +0000", "timeEpoch": 1795694400000,
        },
        "isBase64Encoded": False,
    }


class Connection:
    """One connection of a process to the runtime API. Each answer is one write, without delay."""

    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(LIMIT_S)
        self.sock, self.held = sock, b""

    def more(self):
        # The runtime crate sends a streamed answer in small pieces and with Nagle's algorithm on: an
        # acknowledgement that waits, as Linux's may, would add 40 ms to each answer, ours or not.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = self.sock.recv(1 << 16)
        if not piece:
            raise ConnectionError("the function hung up")
        self.held += piece

    def until(self, mark):
        while mark not in self.held:
            self.more()
        before, _, self.held = self.held.partition(mark)
        return before

    def exactly(self, size):
        while len(self.held) < size:
            self.more()
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def request(self):
        """Path and body of the next request, whole."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.exactly(size)
                self.until(b"\r\n")
            while self.until(b"\r\n"):
                pass  # trailers
        else:
            body = self.exactly(int(headers.get("content-length", 0)))
        return head[0].split(" ")[1], body

    def answer(self, status, headers=(), body=b""):
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class Runtime:
    """The runtime API for one process, which asks and answers on one connection at a time."""

    def __init__(self, payload):
        self.payload, self.count = json.dumps(payload).encode(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT_S)
        self.connection = None

    def request(self):
        """The next request; a process may open a new connection for each."""
        while True:
            try:
                if self.connection is None:
                    self.connection = Connection(self.listener.accept()[0])
                return self.connection.request()
            except ConnectionError:
                self.connection = None

    def invocation(self):
        """Hands out an event and takes its answer; answers the body and the milliseconds in between."""
        path, _ = self.request()
        if not path.endswith("/invocation/next"):
            sys.exit(f"the function asked for {path} before an event")
        self.count += 1
        headers = (
            "content-type: application/json", f"lambda-runtime-aws-request-id: {self.count}",
            f"lambda-runtime-deadline-ms: {int(time.time() * 1000) + 15000}",
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:x:1:function:f", "lambda-runtime-trace-id: Root=1-0-0",
        )
        self.connection.answer(200, headers, self.payload)
        begin = time.perf_counter()
        path, body = self.request()
        took = (time.perf_counter() - begin) * 1e3
        self.connection.answer(202)
        if not path.endswith("/response"):
            sys.exit(f"the function answered at {path}: {body[:500]}")
        return body, took

    def close(self):
        if self.connection is not None:
            self.connection.sock.close()
        self.listener.close()


def start(binary, variables, payload, expected, log):
    """Starts a process; answers (ms to its first answer, median ms when warm, MB resident at most)."""
    runtime = Runtime(payload)
    address = "127.0.0.1:%d" % runtime.listener.getsockname()[1]
    environment = {
        "AWS_LAMBDA_RUNTIME_API": address, "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_REGION": "us-east-1", **variables,
    }
    with open(log, "wb") as file:
        begin = time.perf_counter()
        process = subprocess.Popen([binary], env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        body, _ = runtime.invocation()
        first = (time.perf_counter() - begin) * 1e3
        if expected not in body:
            sys.exit(f"{binary} answered {body[:500]}")
        warm = statistics.median(runtime.invocation()[1] for _ in range(WARM))
        return first, warm, rss_mb([process.pid], "VmHWM")
    except TimeoutError:
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.exit(f"{binary} does not answer:\n{file.read()[-2000:]}")
    finally:
        process.kill()
        process.wait()
        runtime.close()


class Ledger:
    """A server of DynamoDB's protocol with the registry's table, empty; ends with the context."""

    def __init__(self, log):
        if not os.path.exists(DYNAMO):
            sys.exit(f"{DYNAMO} is missing: tests/run installs it")
        self.port = servers.free_port()
        self.log = open(log, "wb")
        command = [DYNAMO, "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=os.path.dirname(log), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        key = lambda name, kind: {"AttributeName": name, "KeyType": kind}  # noqa: E731
        table = {
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "due_pk", "due_sk")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "due", "KeySchema": [key("due_pk", "HASH"), key("due_sk", "RANGE")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        }
        for wait in range(200):
            try:
                self.call("CreateTable", table)
                return
            except OSError as error:
                if wait == 199:
                    self.__exit__()
                    sys.exit(f"the table cannot be made: {error}")
                time.sleep(0.05)

    def call(self, verb, body):
        # The server looks for the parts of a signature and does not check it.
        credential = f"{KEYS['AWS_ACCESS_KEY_ID']}/20261126/us-east-1/dynamodb/aws4_request"
        headers = {
            "content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{verb}",
            "x-amz-date": "20261126T120000Z",
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=0",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            self.__exit__()
            sys.exit(f"{verb} was answered {error.code}: {error.read().decode()[:500]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()


def zipped_mb(binary, folder):
    """Size of what is uploaded: the program alone in a zip, in 10^6 bytes."""
    path = os.path.join(folder, "function.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(binary, "bootstrap")
    return os.path.getsize(path) / 1e6


def race(context):
    home = os.path.join(context.work, "coldstart")
    os.makedirs(home)
    if context.functions:
        bootstrap, hello = context.functions
    else:
        bootstrap, hello = build(context.target)
    log = os.path.join(home, "function.log")
    with Ledger(os.path.join(home, "ledger.log")) as ledger:
        variables = {
            "PACKHOUSE_TABLE": TABLE, "PACKHOUSE_BUCKET": "packhouse-bench", "PACKHOUSE_ORIGIN_SECRET": ORIGIN,
            "PACKHOUSE_PUBLIC_URL": "https://packages.example.org", "PACKHOUSE_S3_PATH_STYLE": "true",
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{ledger.port}", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
            **KEYS,
        }
        read, publish, worker = ({**variables, "PACKHOUSE_ROLE": role} for role in ("read", "publish", "worker"))
        publish["PACKHOUSE_ADMIN_TOKEN_SHA256"] = "0" * 64
        # `events` asks the ledger; what the landing page needs is in the program and, for the generation, one read.
        events = event("/v1/events")
        runs = {
            "hello": lambda: start(hello, KEYS, event("/"), b"world", log),
            "read": lambda: start(bootstrap, read, events, b'"statusCode":200', log),
            "publish": lambda: start(bootstrap, publish, events, b'"statusCode":200', log),
            "worker": lambda: start(bootstrap, worker, SWEEP, b'{"batchItemFailures":[]}', log),
        }
        values = alternate(runs, max(3 * context.pairs, 21), warm=2)
    firsts = {name: [value[0] for value in each] for name, each in values.items()}
    for name in ("read", "publish", "worker"):
        each = [mine / peer for mine, peer in zip(firsts[name], firsts["hello"])]
        ratio = statistics.median(each)
        # On a busy machine both wait for a core, and the ratio says nothing: the fastest starts have to agree.
        fastest = min(firsts[name]) / min(firsts["hello"])
        target, met = ("<= 1.3 x", max(ratio, fastest) <= 1.3) if name == "read" else ("", None)
        detail = f"the fastest of each {fastest:.2f} x; {min(each):.2f}-{max(each):.2f}; {spread(firsts[name])} to {spread(firsts['hello'])}"
        detail += f"; warm {spread([v[1] for v in values[name]], digits=2)}; {spread([v[2] for v in values[name]], 'MB')} resident"
        context.table.add(f"cold start, {name}", target, f"{ratio:.2f} x", met, detail)
    hello_mb = statistics.median(value[2] for value in values["hello"])
    size, peer = zipped_mb(bootstrap, home), zipped_mb(hello, home)
    detail = f"{os.path.getsize(bootstrap) / 1e6:.1f} MB unzipped; hello world {peer:.2f} MB, {hello_mb:.1f} MB resident"
    context.table.add("size of the functions, zipped", "<= 8 MB", f"{size:.2f} MB", size <= 8, detail)
