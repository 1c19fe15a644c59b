"""Runs a script in a client process of the test Hub; started by `hub_fixtures.run_client`, not by hand.

The script finds these names without importing them: everything in the caller's `inputs`; `attempt(function)`, which
returns what the function does as JSON; `fail(kind, path, **options)`, which injects a fault into the server.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

waits: list[float] = []


def attempt(function: Callable[[], Any]) -> dict[str, Any]:
    """Return {"value": ...} or {"error": class, "bases": classes, "status": HTTP status, "message": text}."""
    try:
        return {"value": function()}
    except Exception as error:
        response = getattr(error, "response", None)
        bases = [base.__name__ for base in type(error).__mro__]
        status = getattr(response, "status_code", None)
        return {"error": type(error).__name__, "bases": bases, "status": status, "message": str(error)}


def fail(kind: str, path: str = ".", **options: Any) -> None:
    """Inject a fault, see `hub_faults.Fault`."""
    body = json.dumps({"kind": kind, "path": path, **options}).encode()
    headers = {"Content-Type": "application/json"}
    url = os.environ["HF_ENDPOINT"] + "/__admin__/faults"
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="POST")).close()


def scale_waits(scale: float) -> None:
    """Note every `time.sleep` of 0.5 s or more, and shorten it: the waits between a client's attempts."""
    sleep = time.sleep

    def scaled(seconds: Any) -> None:
        if seconds < 0.5:
            sleep(seconds)
        else:
            waits.append(seconds)
            sleep(seconds * scale)

    time.sleep = scaled


def main() -> None:
    task_path, report_path = sys.argv[1:3]
    with open(task_path) as file:
        task = json.load(file)
    sys.argv = [task["script"], *task["arguments"]]
    scale_waits(task["wait_scale"])
    try:
        runpy.run_path(task["script"], {**task["inputs"], "attempt": attempt, "fail": fail}, "__main__")
    finally:
        with open(report_path, "w") as file:
            json.dump(waits, file)


if __name__ == "__main__":
    main()
