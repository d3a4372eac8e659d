#!/usr/bin/env python3
"""Keeps a copy of a registry's index in a git repository, and checks one.

index.py update FOLDER --registry URL [--wait SECONDS] [--notes FILE]
    Takes in what changed since the last update: events, and the index files of their packages.
index.py validate FOLDER [--base FOLDER] [--registry URL]
    Checks a copy by itself; against an older one that must be the beginning of it; and against the registry.

Ends with 0, 1 where a copy is wrong, 2 where arguments are, or 7 where the registry does not answer. Python 3.9, no packages.
Everything that is read is bounded and checked before it names a file: neither a registry nor a pull request is trusted.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import stat
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PART = r"[a-z0-9_][a-z0-9_-]{0,99}"
PATH = re.compile(rf"index/({PART}/{PART}(?:/{PART})?)\.json")
IDENTIFIER = re.compile(rf"{PART}/{PART}(?:/{PART})?")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,127}")
KIND = re.compile(r"[a-z]{1,40}")
HEX = re.compile(r"[0-9a-f]{64}")
EVENTS_IN_A_FILE = 1_000
# Far above what registries have: an index file of 1,000 versions is about 1 MB.
FILE_BYTES = 32 << 20
# What an event does to the marks of its release.
SETS = {"yanked": "yanked", "deprecated": "deprecated", "quarantined": "quarantined", "removed": "removed"}
CLEARS = {"unyanked": "yanked", "undeprecated": "deprecated", "restored": "quarantined"}
# What never changes once a version is released. Marks (yanked, ...) do.
FOREVER = ("digest", "tree_digest", "bytes", "format", "released_at", "publisher")


class Wrong(Exception):
    """Something in a copy, or in an answer, that must not be."""


class Unreachable(Exception):
    """The registry does not answer, or not as one."""


def parse(data, place):
    """JSON, where no name stands twice: two readers would read two different things."""

    def once(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Wrong(f"{place}: a name stands twice in an object")
        return found

    try:
        return json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{place}: no JSON: {error}") from None


def need(held, place, what):
    if not held:
        raise Wrong(f"{place}: {what}")


# The copy


def read(folder, path):
    """A file of a copy. Links are refused: one could name a file elsewhere."""
    full = os.path.join(folder, path)
    need(stat.S_ISREG(os.lstat(full).st_mode), path, "is no regular file")
    need(os.path.getsize(full) <= FILE_BYTES, path, f"has more than {FILE_BYTES} bytes")
    with open(full, "rb") as file:
        return file.read()


def paths(folder, below):
    """All files below a folder of a copy, sorted."""
    found = []
    for at, folders, files in os.walk(os.path.join(folder, below)):
        for name in folders:
            need(not os.path.islink(os.path.join(at, name)), os.path.join(at, name), "is a link")
        found += (os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/") for name in files)
    return sorted(found)


def write(folder, path, data):
    """Writes a file whole or not at all."""
    full = os.path.join(folder, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full + ".new", "wb") as file:
        file.write(data)
    os.replace(full + ".new", full)


def events_path(number):
    return f"events/{(number - 1) // EVENTS_IN_A_FILE:06}.jsonl"


def line(value):
    """The bytes that the registry hashes, too: the members in their order, no white space, no escapes that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read_events(folder):
    """All events of a copy, in order, each checked by itself."""
    events = []
    for path in paths(folder, "events"):
        for number, text in enumerate(read(folder, path).splitlines(), 1):
            event = check_event(parse(text, f"{path}:{number}"), f"{path}:{number}")
            need(path == events_path(event["number"]), f"{path}:{number}", f"event {event['number']} belongs elsewhere")
            events.append(event)
    return events


def read_index(folder):
    """All index files of a copy by key, each checked by itself."""
    found = {}
    for path in paths(folder, "index"):
        match = PATH.fullmatch(path)
        need(match, path, "is no path of an index file: `index/owner/name[/sub].json`, lower case")
        found[match[1]] = check_index(parse(read(folder, path), path), match[1], path)
    return found


# Checks


def check_event(event, place):
    need(isinstance(event, dict) and event.get("schema") == 1, place, "is no event of schema 1")
    for name in ("number", "sequence"):
        need(type(event.get(name)) is int and event[name] > 0, place, f"`{name}` is no number from 1")
    for name, form in (("kind", KIND), ("previous", HEX), ("hash", HEX)):
        need(isinstance(event.get(name), str) and form.fullmatch(event[name]), place, f"`{name}` has not its form")
    identifier, version = event.get("identifier"), event.get("version")
    need(isinstance(identifier, str) and IDENTIFIER.fullmatch(identifier.lower()), place, "`identifier` is none")
    need(version is None or isinstance(version, str) and VERSION.fullmatch(version), place, "`version` is none")
    need(isinstance(event.get("data"), dict) and isinstance(event.get("at"), str), place, "lacks `data` or `at`")
    hashed = hashlib.sha256(line({name: value for name, value in event.items() if name != "hash"})).hexdigest()
    need(event["hash"] == hashed, place, f"says hash {event['hash']}, its bytes have {hashed}")
    return event


def check_chain(events):
    """The feed has no gaps, and neither has the chain of hashes of each package."""
    ends = {}
    for at, event in enumerate(events, 1):
        place = f"event {event['number']}"
        need(event["number"] == at, place, f"expected event {at}: the feed has no gaps")
        key = event["identifier"].lower()
        sequence, previous = ends.get(key, (0, "0" * 64))
        need(event["sequence"] == sequence + 1, place, f"is number {event['sequence']} of `{key}`, expected {sequence + 1}")
        need(event["previous"] == previous, place, f"follows {event['previous']}, the one before it is {previous}")
        ends[key] = (event["sequence"], event["hash"])


def check_index(index, key, place):
    need(isinstance(index, dict) and index.get("schema") == 1, place, "is no index file of schema 1")
    identifier, versions = index.get("identifier"), index.get("versions")
    need(isinstance(identifier, str) and identifier.lower() == key, place, f"is not that of `{key}`")
    need(isinstance(versions, list) and versions, place, "has no versions")
    seen = set()
    for version in versions:
        need(isinstance(version, dict), place, "has a version that is no object")
        text = version.get("version")
        need(isinstance(text, str) and VERSION.fullmatch(text), place, f"{text!r} is no version")
        need(text not in seen, place, f"{text} stands twice")
        seen.add(text)
        for name in ("digest", "tree_digest"):
            need(isinstance(version.get(name), str) and HEX.fullmatch(version[name]), place, f"{text}: `{name}` is no SHA-256")
        need(all(name in version for name in FOREVER), place, f"{text} lacks one of {', '.join(FOREVER)}")
    need(index.get("latest") is None or index["latest"] in seen, place, "`latest` is not among its versions")
    return index


def by_version(index):
    return {version["version"]: version for version in index["versions"]} if index else {}


def unmarked(version):
    return {name: value for name, value in version.items() if name not in SETS.values()}


def check_kept(old, new, key):
    """What was released stays, and says the same."""
    new = by_version(new)
    for text, version in by_version(old).items():
        need(text in new, key, f"{text} is gone: releases never go, they are marked")
        for name in FOREVER:
            need(new[text][name] == version[name], key, f"{text}: `{name}` was {version[name]}, is {new[text][name]}")


def told_by(events):
    """What the feed says of each package: its versions with digest and marks (with their reasons)."""
    told = {}
    for event in events:
        versions = told.setdefault(event["identifier"].lower(), {})
        kind, text = event["kind"], event.get("version")
        if kind == "released":
            versions[text] = {"digest": event["data"].get("digest")}
        elif kind in SETS and text in versions:
            versions[text][SETS[kind]] = event["data"].get("reason")
        elif kind in CLEARS and text in versions:
            versions[text].pop(CLEARS[kind], None)
    return told


def disagreements(events, indexes):
    """Packages of which feed and index say different things, with the first such thing."""
    told = told_by(events)
    for key in sorted(told.keys() | indexes.keys()):
        feed, index = told.get(key, {}), by_version(indexes.get(key))
        for text in sorted(feed.keys() | index.keys()):
            if text not in index:
                yield key, f"{text} is in the feed and not in the index"
            elif text not in feed:
                yield key, f"{text} is in the index and not in the feed"
            else:
                held = {"digest": index[text]["digest"]}
                for mark in SETS.values():
                    if index[text].get(mark) is not None:
                        held[mark] = index[text][mark].get("reason") if isinstance(index[text][mark], dict) else None
                if held == feed[text]:
                    continue
                yield key, f"{text}: the feed says {feed[text]}, the index {held}"
            break


# The registry


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Registry:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            sys.exit(f"index.py: `{url}` is no https address")
        self.url = url.rstrip("/")
        self.opener = urllib.request.build_opener(NoRedirects)

    def get(self, path):
        """The bytes of an answer; `None` for 404. Tries three times, since most faults pass."""
        for attempt in range(3):
            try:
                with self.opener.open(f"{self.url}{path}", timeout=30) as answer:
                    data = answer.read(FILE_BYTES + 1)
                need(len(data) <= FILE_BYTES, path, f"answers more than {FILE_BYTES} bytes")
                return data
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                problem = f"status {error.code}"
                if error.code not in (429, 500, 502, 503, 504):
                    break
            except (OSError, http.client.HTTPException) as error:
                problem = str(error)
            if attempt < 2:
                time.sleep(1 + 4 * attempt)
        raise Unreachable(f"{self.url}{path}: {problem}")

    def index(self, key):
        data = self.get(f"/index/{key}.json")
        return data, data and check_index(parse(data, key), key, f"{self.url}/index/{key}.json")

    def events(self, after):
        """Events behind a number, in order, each checked by itself."""
        while True:
            data = self.get(f"/v1/events?after={after}&limit=1000")
            page = parse(data, "events") if data else None
            need(isinstance(page, dict) and isinstance(page.get("events"), list), "events", "is no page of the feed")
            for event in page["events"]:
                after += 1
                check_event(event, f"event {after} of the registry")
                need(event["number"] == after, f"event {event['number']}", f"expected event {after}")
                yield event
            if not page["events"] or not page.get("more"):
                return


# Commands


def update(options):
    registry = Registry(options.registry)
    events, indexes = read_events(options.folder), read_index(options.folder)
    check_chain(events)
    fresh, files, deadline = [], {}, time.monotonic() + options.wait
    asked = set()
    while True:
        fresh += registry.events(len(events) + len(fresh))
        wrong = dict(disagreements(events + fresh, indexes))
        keys = {event["identifier"].lower() for event in fresh} - asked | wrong.keys()
        for key in sorted(keys):
            data, index = registry.index(key)
            if index:
                check_kept(indexes.get(key), index, key)
                indexes[key], files[f"index/{key}.json"] = index, data
        asked |= keys
        # An index file may be a minute old, and the feed may have grown while index files came: until both say the same.
        wrong = dict(disagreements(events + fresh, indexes))
        if not wrong:
            break
        key, what = next(iter(wrong.items()))
        if time.monotonic() >= deadline:
            raise Unreachable(f"{key}: {what}: feed and index do not agree yet, run it again later")
        print(f"waiting: {key}: {what}", file=sys.stderr)
        time.sleep(min(5, options.wait))
    check_chain(events + fresh)

    # Index files first: an update that dies here begins again at the same event.
    for path, data in files.items():
        write(options.folder, path, data)
    for path in sorted({events_path(event["number"]) for event in fresh}):
        lines = [line(event) + b"\n" for event in events + fresh if events_path(event["number"]) == path]
        write(options.folder, path, b"".join(lines))
    if options.notes:
        # Every part was checked: nothing in it can be Markdown.
        told = [f"- {e['kind']} `{e['identifier']}{'@' + e['version'] if e.get('version') else ''}`\n" for e in fresh]
        more = [f"- and {len(told) - 200} more\n"] if len(told) > 200 else []
        with open(options.notes, "w", encoding="utf-8") as file:
            file.write("".join(told[:200] + more))
    print(f"{len(fresh)} events, {len(files)} index files")


def validate(options):
    events, indexes = read_events(options.folder), read_index(options.folder)
    check_chain(events)
    for key, what in disagreements(events, indexes):
        raise Wrong(f"{key}: {what}")
    changed = set(indexes)
    if options.base:
        base = read_events(options.base)
        need(events[: len(base)] == base, "events", "are not those of before and more: the feed only grows")
        old = read_index(options.base)
        for key, index in old.items():
            need(key in indexes, key, "is gone")
            check_kept(index, indexes[key], key)
        changed = {key for key, index in indexes.items() if old.get(key) != index}
    if options.registry:
        registry = Registry(options.registry)
        after = len(base) if options.base else 0
        for ours, theirs in zip(events[after:], registry.events(after)):
            need(ours == theirs, f"event {ours['number']}", "is not the registry's")
        for key in sorted(changed):
            _, index = registry.index(key)
            need(index, key, "is unknown to the registry")
            # The registry may have gone on since: to more versions, other marks, and a removal, which leaves little behind.
            check_kept(indexes[key], index, key)
            theirs = by_version(index)
            for text, version in by_version(indexes[key]).items():
                same = unmarked(version) == unmarked(theirs[text]) or theirs[text].get("removed")
                need(same, key, f"{text} is not what the registry says")
    print(f"{len(events)} events, {len(indexes)} packages, {len(changed)} of them new or changed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in (update, validate):
        command = verbs.add_parser(verb.__name__)
        command.set_defaults(run=verb)
        command.add_argument("folder")
        command.add_argument("--registry", required=verb is update)
        if verb is update:
            command.add_argument("--wait", type=int, default=180, help="seconds until index files must say what the feed says")
            command.add_argument("--notes", help="a file for the list of what changed, as Markdown")
        else:
            command.add_argument("--base", help="an older copy")
    options = parser.parse_args()
    try:
        options.run(options)
    except Wrong as problem:
        print(f"index.py: {problem}", file=sys.stderr)
        sys.exit(1)
    except Unreachable as problem:
        print(f"index.py: {problem}", file=sys.stderr)
        sys.exit(7)


if __name__ == "__main__":
    main()
