"""The demo's server against those who do not behave: cancelled, malformed, huge and direct calls."""

import asyncio
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid

import pytest
from gradio_client import Client

from demo_engine import PAIRS, make_engine
from setfit_quantum.demo import build_app, serve
from setfit_quantum.demo.body_limit import LimitedBody
from setfit_quantum.demo.limits import MAX_BODY


class Server:
    """A demo with a stub for a body, in this process."""

    def __init__(self):
        self.app = build_app(make_engine())
        self.url = serve(self.app, block=False, report=lambda _: None).rstrip("/")
        config = json.loads(urllib.request.urlopen(f"{self.url}/config").read())
        self.numbers = {entry["api_name"]: entry["id"] for entry in config["dependencies"]}

    def post(self, path, body):
        """Status and text of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def call(self, name, data, session=None):
        """Whether an event succeeded, and what the visitor is told; sent without the client's own checks."""
        session = session or uuid.uuid4().hex
        body = {"data": data, "fn_index": self.numbers[name], "session_hash": session}
        assert self.post("/gradio_api/queue/join", body)[0] == 200
        with urllib.request.urlopen(f"{self.url}/gradio_api/queue/data?session_hash={session}", timeout=30) as lines:
            told = ""
            for line in lines:
                message = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "log":
                    told += message["log"]
                if message.get("msg") == "process_completed":
                    return message["success"], told + str(message["output"].get("error", ""))
        raise AssertionError("no answer")


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.app.close()


def trainings():
    return [thread for thread in threading.enumerate() if thread.name == "demo-training"]


def wait_until(condition, seconds=15.0):
    """Wait for a condition without a fixed pause."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


LONG = ([[f"{text} {number}", label] for number in range(12) for text, label in PAIRS], 10, 2, 400)


def test_a_cancelled_training_stops(server):
    job = Client(server.url, verbose=False, httpx_kwargs={"timeout": 60}).submit(*LONG, api_name="/train")
    wait_until(job.outputs)  # before, the client does not know yet what to cancel
    wait_until(trainings)
    job.cancel()
    wait_until(lambda: not trainings())


def test_a_training_stops_when_its_visitor_leaves(server):
    session = uuid.uuid4().hex
    call = {"data": [*LONG, None], "fn_index": server.numbers["train"], "session_hash": session}
    assert server.post("/gradio_api/queue/join", call)[0] == 200
    page = urllib.request.urlopen(f"{server.url}/gradio_api/queue/data?session_hash={session}", timeout=30)
    wait_until(trainings)
    page.close()
    wait_until(lambda: not trainings())


def test_a_job_shows_the_curves_while_it_trains(server):
    job = Client(server.url, verbose=False).submit(PAIRS, 4, 1, 200, api_name="/train")
    summary = job.result(timeout=60)
    assert summary["epochs"] == 200
    outputs = job.outputs()
    assert outputs[0]["ended"] is None
    lengths = [len(output["history"]) for output in outputs]
    assert lengths == sorted(lengths)
    assert lengths[-1] == 200


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("classify", ["my private words", 100], "This call needs 6 values, but got fewer."),
        ("classify", ["half \ud83d", 100, 1, "ionq-forte", "bundled", -1, None], "half of a character"),
        ("classify", ["good", float("nan"), 1, "ionq-forte", "bundled", -1, None], "Shots must be .* but got nan"),
        ("classify", ["good", 1, float("inf"), "ionq-forte", "bundled", -1, None], "noise level .* but got inf"),
        ("draw_energy", ["forte", None, 300, 34, "my private words"], "wrong type for its field"),
        ("draw_energy", ["forte", float("nan"), 300, 34, 700], "Shots must be .* but got nan"),
        ("draw_energy", ["my private words", 100, 300, 34, 700], "not in the list of choices"),
        ("draw_parameters", [10**6, 1, 2, 384], "greater than maximum value 18"),
        ("look_inside", ["my private words", [], None, 100, 1, "ionq-forte"], "not in the list of choices"),
    ],
)
def test_malformed_calls_get_a_message_and_leave_no_trace(server, capfd, name, data, message):
    _, told = server.call(name, data)
    assert re.search(message, told)
    written = "".join(capfd.readouterr())
    assert "my private words" not in written
    assert "Traceback" not in written
    assert server.call("classify", ["good", 100, 1, "ionq-forte", "bundled", -1, None]) == (True, "")


def test_direct_calls_do_not_skip_the_queue(server):
    status, words = server.post("/gradio_api/run/classify", {"data": ["good", 100, 1, "ionq-forte", "bundled", -1]})
    assert (status, "join the queue" in words) == (404, True)


def test_huge_requests_are_refused(server):
    status, words = server.post("/gradio_api/queue/join", b" " * (MAX_BODY + 1))
    assert (status, json.loads(words)["detail"]) == (413, "A request has at most 32 MB.")
    assert server.call("classify", ["good", 100, 1, "ionq-forte", "bundled", -1, None]) == (True, "")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ["body", "body", "disconnect"]),
        ([(b"content-length", b"25")], [413]),
        ([(b"content-length", b"-1")], [413]),
    ],
)
def test_no_more_than_the_limit_reaches_the_app(headers, expected):
    """25 bytes in pieces of 5, where 10 are allowed; with and without a length that is declared."""
    seen, pieces = [], [{"type": "http.request", "body": b"12345", "more_body": n < 4} for n in range(5)]

    async def app(scope, receive, send):
        while not seen or seen[-1] == "body":
            seen.append({"http.request": "body", "http.disconnect": "disconnect"}[(await receive())["type"]])

    async def receive():
        return pieces.pop(0)

    async def send(message):
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    asyncio.run(LimitedBody(app, limit=10)({"type": "http", "headers": headers}, receive, send))
    assert seen == expected


def test_a_token_is_forgotten_after_its_push(server):
    """Gradio keeps what was last sent of every field with the session, a token too."""
    session = uuid.uuid4().hex
    _, told = server.call("run", [None, "me/model", "hf_SECRET", True], session)
    assert "This session has no trained model" in told
    kept = server.app.app.state_holder.session_data[session].config_values
    assert "me/model" in json.dumps(kept, default=str)
    assert "hf_SECRET" not in json.dumps(kept, default=str)


def test_a_port_in_use_is_refused():
    app = build_app(make_engine())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            serve(app, port=port, block=False)
