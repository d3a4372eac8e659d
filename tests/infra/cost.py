"""What a registry on AWS costs a month, at three levels of traffic; docs/aws.md must hold the same table.

Usage: python tests/infra/cost.py [--print]
"""

import sys

from template import ROOT, transformed

PAGE = ROOT / "docs/aws.md"
GB, MILLION = 1e9, 1e6

# USD in us-east-1: the list prices on AWS's pages in November 2026, without free tiers that end after a year.
PRICE = {
    "cdn_byte": 0.085 / GB,  # CloudFront to North America and Europe; the first TB a month is free for good
    "cdn_request": 1.00 / MILLION,  # HTTPS; the first 10 million a month are free for good
    "cdn_free_bytes": 1e12,
    "cdn_free_requests": 10e6,
    "lambda_request": 0.20 / MILLION,
    "lambda_second": 0.0000133334,  # of one GB, arm64
    "read_unit": 0.125 / MILLION,  # DynamoDB on demand: 4 KB, consistent
    "write_unit": 0.625 / MILLION,  # 1 KB; twice as many in a transaction
    "table_byte": (0.25 + 0.20) / GB,  # with recovery to any second
    "s3_byte": 0.023 / GB,
    "s3_get": 0.40 / MILLION,
    "s3_put": 5.00 / MILLION,
    "sqs_request": 0.40 / MILLION,  # the first million a month is free for good
    "sqs_free": 1e6,
    "log_byte": 0.50 / GB,
    "alarm": 0.10,
    "secret": 0.40,
}

# What the registry does for one of each. Requests are those that lambda/tests/requests.rs counts.
ARCHIVE_BYTES = 1e6
RECORD_BYTES = 20e3  # of a release, in the table, all its items
READS_A_DOWNLOAD = 3  # of metadata
MISSED = 0.5  # of those: not in the CDN's cache
BLOB_MISSED = 0.1
READ = {"seconds": 0.05, "gb": 0.5, "read_units": 9, "log_bytes": 900}
PUBLISH = {"calls": 3, "seconds": 0.5, "gb": 1.0, "read_units": 60, "write_units": 60, "puts": 5, "gets": 6}
VIEWS = {"seconds": 0.4, "gb": 1.0, "read_units": 20, "puts": 2, "gets": 2, "sqs": 3}
MINUTE = {"seconds": 0.1, "gb": 1.0, "read_units": 10, "gets": 1}  # the schedule that finds nothing to do
MINUTES = 60 * 24 * 30.4
HOUR = {"lists": 1, "looks": 6}  # each log file is looked at for six hours
SQS_POLLS = 5 * 3 * MINUTES  # Lambda asks an empty queue five times side by side, 20 seconds at a time

LEVELS = {
    "small": {"downloads": 1e3, "publishes": 20, "stored_bytes": 1e9, "log_files_an_hour": 2},
    "busy": {"downloads": 1e5, "publishes": 200, "stored_bytes": 10e9, "log_files_an_hour": 10},
    "large": {"downloads": 1e7, "publishes": 2_000, "stored_bytes": 100e9, "log_files_an_hour": 200},
}


def cost(level, alarms):
    """USD a month, by part."""
    p, downloads, publishes = PRICE, level["downloads"], level["publishes"]
    reads = downloads * READS_A_DOWNLOAD * MISSED
    requests = downloads * (READS_A_DOWNLOAD + 1)
    looks = level["log_files_an_hour"] * HOUR["looks"] * MINUTES / 60
    gets = publishes * (PUBLISH["gets"] + VIEWS["gets"]) + MINUTES * MINUTE["gets"] + downloads * BLOB_MISSED + looks
    puts = publishes * (PUBLISH["puts"] + VIEWS["puts"]) + level["log_files_an_hour"] * MINUTES / 60
    units = reads * READ["read_units"] + publishes * (PUBLISH["read_units"] + VIEWS["read_units"])
    units += MINUTES * MINUTE["read_units"] + looks * 2
    calls = reads + publishes * (PUBLISH["calls"] + 1) + MINUTES
    seconds = reads * READ["seconds"] * READ["gb"] + MINUTES * MINUTE["seconds"] * MINUTE["gb"]
    seconds += publishes * (PUBLISH["calls"] * PUBLISH["seconds"] * PUBLISH["gb"] + VIEWS["seconds"] * VIEWS["gb"])
    polls = SQS_POLLS + publishes * VIEWS["sqs"]
    return {
        "CloudFront": max(0, downloads * ARCHIVE_BYTES - p["cdn_free_bytes"]) * p["cdn_byte"]
        + max(0, requests - p["cdn_free_requests"]) * p["cdn_request"],
        "Lambda": calls * p["lambda_request"] + seconds * p["lambda_second"],
        "DynamoDB": units * p["read_unit"]
        + publishes * PUBLISH["write_units"] * p["write_unit"]
        + level["stored_bytes"] / ARCHIVE_BYTES * RECORD_BYTES * p["table_byte"],
        "S3": level["stored_bytes"] * p["s3_byte"] + gets * p["s3_get"] + puts * p["s3_put"],
        "SQS": max(0, polls - p["sqs_free"]) * p["sqs_request"],
        "logs": calls * READ["log_bytes"] * p["log_byte"],
        "the secret and the alarms": p["secret"] + alarms * p["alarm"],
    }


def table(alarms):
    costs = {name: cost(level, alarms) for name, level in LEVELS.items()}
    rows = ["| a month | " + " | ".join(LEVELS) + " |", "|---|" + "---|" * len(LEVELS)]
    for what in ["downloads", "publishes"]:
        rows.append(f"| {what} | " + " | ".join(f"{level[what]:,.0f}" for level in LEVELS.values()) + " |")
    rows.append("| stored | " + " | ".join(f"{level['stored_bytes'] / GB:,.0f} GB" for level in LEVELS.values()) + " |")
    for part in costs["small"]:
        rows.append(f"| {part} | " + " | ".join(f"{costs[name][part]:,.2f}" for name in LEVELS) + " |")
    rows.append("| **all, in USD** | " + " | ".join(f"**{sum(costs[name].values()):,.2f}**" for name in LEVELS) + " |")
    return "\n".join(rows)


def main():
    _, template = transformed()
    alarms = sum(r["Type"] == "AWS::CloudWatch::Alarm" for r in template["Resources"].values())
    # A model that says the same whatever happens is none.
    small, large = (sum(cost(LEVELS[name], alarms).values()) for name in ["small", "large"])
    assert 0 < small < 10 < large
    more = cost({**LEVELS["large"], "downloads": 2e7}, alarms)
    assert 1.9 < more["CloudFront"] / cost(LEVELS["large"], alarms)["CloudFront"] < 2.2
    if "--print" in sys.argv:
        print(table(alarms))
    elif table(alarms) not in PAGE.read_text():
        sys.exit(f"{PAGE.relative_to(ROOT)} has another table of costs: print it with `tests/infra/cost.py --print`")
    else:
        print("docs/aws.md: the costs are those that are computed")


main()
