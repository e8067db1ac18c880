"""Hooks for the fuzzer: rules for the API's values that its schemas cannot express."""

import base64
import hashlib
import itertools
import json
import re
import time
import urllib.request

import schemathesis
from hypothesis import strategies as st

# Nothing listens there, so deliveries reach nobody.
NOWHERE = "http://127.0.0.1:9"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-._~%/?&="

schemathesis.openapi.format("uri", st.text(CHARACTERS, max_size=60).map(lambda path: f"{NOWHERE}/{path}"))


@schemathesis.hook
def filter_body(context, body):
    """Filters out metadata values whose JSON is too long, and the scope `held` without `dry_run`. A schema cannot limit
    the one, and would be hard to read if it said the other."""
    if isinstance(body, dict) and body.get("scope") == "held" and body.get("dry_run") is not True:
        return False
    metadata = body.get("metadata") if isinstance(body, dict) else None
    values = metadata.values() if isinstance(metadata, dict) else ()
    return all(isinstance(value, str) or len(json.dumps(value)) <= 500 for value in values)


KEY = {"authorization": "Bearer sk_local_development", "content-type": "application/json"}
turns = itertools.count()
own = {}


def own_objects(base):
    """Returns the ids of an existing endpoint, event, attempt, recovery, account and key. Generated ids do not exist, so that almost every
    request would only return 404."""
    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{base}/api/{path}", data, KEY)) as answer:
            return json.load(answer)

    if not own:
        own["wh"] = ask("webhook-endpoints", {"url": NOWHERE, "enabled_events": ["order.paid"]})["id"]
        attempts = []
        while not attempts:
            ask("events", {"type": "order.paid", "data": {}})
            time.sleep(1)
            attempts = ask(f"webhook-attempts?webhook_endpoint_id={own['wh']}")["list"]
        own["att"], own["evt"] = attempts[0]["id"], attempts[0]["event_id"]
        own["acct"] = "local"
        own["key"] = ask("keys", {})["id"]
        own["rec"] = ask(f"webhook-endpoints/{own['wh']}/recover", {"since": "2026-01-01T00:00:00Z"})["id"]
    return own


def is_right(case):
    """Whether the request is meant to be valid."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def name_what_exists(case):
    """Puts ids of existing objects into two of three valid requests, in the path and in the body. Requests that follow from
    earlier ones (stateful) have such ids already."""
    if case.method == "DELETE" or not is_right(case) or case.meta.phase.name.value == "stateful":
        return
    if next(turns) % 3 == 0:
        return
    objects = own_objects(case.operation.base_url.rstrip("/"))
    kind = {"webhook-endpoints": "wh", "events": "evt", "webhook-attempts": "att", "accounts": "acct"}
    parameters = dict(case.path_parameters or {})
    if "id" in parameters:
        parameters["id"] = objects[kind[case.path.split("/")[2]]]
    if "task_id" in parameters:
        parameters["task_id"] = objects["rec"]
    case.path_parameters = parameters
    if isinstance(case.body, dict) and "webhook_endpoint_id" in case.body:
        case.body = {**case.body, "event_id": objects["evt"], "webhook_endpoint_id": objects["wh"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps requests to the key's live data, and their effects small."""
    name_what_exists(case)
    spare_our_own_key(case)
    act_for_the_account(case)
    # The fuzzer would write a boolean from an earlier answer as in Python: True.
    mode = (case.query or {}).get("livemode")
    if isinstance(mode, bool) or mode == "false":
        case.query = {**case.query, "livemode": "true"}
    if not isinstance(case.body, dict):
        return
    if case.body.get("livemode") is False:
        case.body = {**case.body, "livemode": True}
    # An update may only contain the endpoint's own secret, and a rotation only a new one. A schema cannot express this.
    if is_right(case) and case.body.get("secret") is not None:
        secret = base64.b64encode(hashlib.sha256(str(next(turns)).encode()).digest()).decode()
        case.body = {**case.body, "secret": None if case.method == "PUT" else f"whsec_{secret}"}
    # The example's host exists, and other hosts may have no public address, which a schema cannot express.
    if is_url(case.body.get("url")):
        case.body = {**case.body, "url": NOWHERE}
    # A laptop cannot send all events to many endpoints.
    if isinstance(wanted := case.body.get("enabled_events"), list):
        case.body = {**case.body, "enabled_events": ["customer.*" if entry == "*" else entry for entry in wanted]}


def spare_our_own_key(case):
    """Revokes a key that nobody needs, instead of the one that the fuzzer itself uses."""
    if case.path == "/api/keys/{id}" and str((case.path_parameters or {}).get("id")).startswith("key_"):
        objects = own_objects(case.operation.base_url.rstrip("/"))
        case.path_parameters = {**case.path_parameters, "id": objects["key"]}


def act_for_the_account(case):
    """Takes the names of other accounts out of a valid request. A schema cannot express that they must not contradict the key."""
    if not is_right(case):
        return
    case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "posthorn-account"}
    if isinstance(case.body, dict) and case.path == "/api/sessions":
        case.body = {**case.body, "account": None, "operator": None}
    if isinstance(case.query, dict) and "account" in case.query:
        case.query = {name: value for name, value in case.query.items() if name != "account"}


def is_url(value):
    """Whether the value is a URL that the schema allows, with another host than NOWHERE."""
    well_formed = isinstance(value, str) and re.fullmatch(r"https?://[^\s\\#]+", value, re.IGNORECASE)
    return well_formed and len(value) <= 2048 and not value.startswith(NOWHERE)
