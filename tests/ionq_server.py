"""A stand-in for IonQ's service on 127.0.0.1: version 0.4 of its API, as far as qiskit-ionq uses it.

It simulates the circuits that it is sent. A machine returns shares of shots, the ideal simulator probabilities.
"""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np

TOKEN = "test-token"
_S = np.diag([1, 1j])
_FIXED = {
    "h": np.array([[1, 1], [1, -1]]) / 2**0.5,
    "x": np.array([[0, 1], [1, 0]]),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.diag([1, -1]),
    "s": _S,
    "si": _S.conj(),
    "t": np.diag([1, np.exp(0.25j * np.pi)]),
    "ti": np.diag([1, np.exp(-0.25j * np.pi)]),
    "v": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
}
_AXES = {"rx": _FIXED["x"], "ry": _FIXED["y"], "rz": _FIXED["z"]}


_X, _Y, _Z = _AXES.values()


def native_matrix(gate):
    """GPi, GPi2 on one wire, MS and ZZ on two; phases and angles are in turns."""
    if gate["gate"] in ("gpi", "gpi2"):
        phase = 2 * np.pi * gate["phase"]
        axis = np.cos(phase) * _X + np.sin(phase) * _Y
        return axis if gate["gate"] == "gpi" else (np.eye(2) - 1j * axis) / 2**0.5
    axes = [_Z, _Z]
    if gate["gate"] == "ms":
        axes = [np.cos(2 * np.pi * phase) * _X + np.sin(2 * np.pi * phase) * _Y for phase in gate["phases"]]
    half = np.pi * float(gate["angle"])
    return np.cos(half) * np.eye(4) - 1j * np.sin(half) * np.kron(*axes)


def simulate(circuit, n_qubits):
    """Outcome number -> probability; bit q of an outcome is qubit q."""
    state = np.zeros((2,) * n_qubits, dtype=complex)  # axis q is qubit q
    state[(0,) * n_qubits] = 1
    for gate in circuit:
        name = gate["gate"]
        if name in ("gpi", "gpi2", "ms", "zz"):
            wires = gate.get("targets") or [gate["target"]]
            matrix = native_matrix(gate).reshape((2,) * (2 * len(wires)))
            inner = range(len(wires), 2 * len(wires))
            state = np.moveaxis(np.tensordot(matrix, state, (tuple(inner), wires)), range(len(wires)), wires)
            continue
        if name == "swap":
            state = np.swapaxes(state, *gate["targets"])
            continue
        if name in _AXES:
            half = gate["rotation"] / 2
            matrix = np.cos(half) * np.eye(2) - 1j * np.sin(half) * _AXES[name]
        else:
            matrix = _FIXED[name]
        (target,) = gate["targets"]
        turned = np.moveaxis(np.tensordot(matrix, state, (1, target)), 0, target)
        chosen = np.ones((1,) * n_qubits, dtype=bool)
        for control in gate.get("controls", []):
            shape = [1] * n_qubits
            shape[control] = 2
            chosen = chosen & np.array([False, True]).reshape(shape)
        state = np.where(chosen, turned, state)
    probabilities = np.abs(state.transpose()).ravel() ** 2  # qubit 0 last: least significant
    return {str(k): float(p) for k, p in enumerate(probabilities) if p > 1e-12}


class IonQServer:
    """Jobs, and the faults that a test wants.

    `faults` holds what happens to the next submissions: an HTTP status, "drop" (accept the job and close the
    connection without an answer), "hang" (accept it and never answer), "break" (accept it and answer with status 500)
    or "lose" (close the connection without accepting the job). `hold` keeps jobs in the queue.
    """

    def __init__(self):
        self.jobs = {}
        self.submissions = []  # accepted request bodies
        self.requests = []  # (method, path)
        self.faults = []
        self.query_faults = []
        self.hold = False
        self.fail_next = False
        self.page = 100
        self.children = True  # whether a job tells the order of its circuits
        self._closing = threading.Event()
        self._rng = np.random.default_rng(0)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_address[1]}/v0.4"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def submit(self, body):
        """Check a job as the service does and queue it; (status, answer)."""
        shots = body["shots"]
        debiasing = body.get("settings", {}).get("error_mitigation", {}).get("debiasing", False)
        if body["backend"].startswith("qpu") and shots > 10_000:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": "shots must be at most 10000"}
        if debiasing and shots < 500:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": "debiasing needs 500 shots"}
        self.submissions.append(body)
        job_id = str(uuid.uuid4())
        status = "failed" if self.fail_next else "ready"
        self.fail_next = False
        self.jobs[job_id] = {"body": body, "status": status, "asked": 0}
        return 200, {"id": job_id, "status": "ready", "session_id": None}

    def describe(self, job_id):
        """The job's public form; it advances by one state each time it is looked at."""
        job = self.jobs[job_id]
        if not self.hold and job["status"] in ("ready", "started"):
            job["status"] = "started" if job["asked"] == 0 else "completed"
        job["asked"] += 1
        body = job["body"]
        answer = {"id": job_id, "status": job["status"], "type": body["type"], "metadata": body["metadata"],
                  "shots": body["shots"], "backend": body["backend"]}  # fmt: skip
        if job["status"] == "failed":
            answer["failure"] = {"code": "internal_error", "error": "the machine went dark"}
        if job["status"] == "completed":
            multi = "circuits" in body["input"]
            suffix = "/aggregated" if multi else ""
            answer["results"] = {"probabilities": {"url": f"/v0.4/jobs/{job_id}/results/probabilities{suffix}"}}
            answer["stats"] = {"qubits": body["input"]["qubits"]}
            answer["child_job_ids"] = self._children(job_id, body) if multi and self.children else None
        return answer

    def results(self, job_id):
        body = self.jobs[job_id]["body"]
        width = body["input"]["qubits"]
        if "circuit" in body["input"]:
            return self._measure(body, body["input"]["circuit"], width)
        found = [self._measure(body, item["circuit"], width) for item in body["input"]["circuits"]]
        pairs = list(zip(self._children(job_id, body), found, strict=True))
        return dict(reversed(pairs))  # an order of its own: only the children's ids tell

    def listing(self, limit, start):
        """Jobs, latest first, without results."""
        latest = list(self.jobs)[::-1]
        page = latest[start : start + min(limit, self.page)]
        end = start + len(page)
        jobs = [{"id": name, "status": self.jobs[name]["status"], "metadata": self.jobs[name]["body"]["metadata"]}
                for name in page]  # fmt: skip
        return {"jobs": jobs, "next": str(end) if end < len(latest) else None}

    def _children(self, job_id, body):
        return [f"{job_id}-{number}" for number in range(len(body["input"]["circuits"]))]

    def _measure(self, body, circuit, width):
        exact = simulate(circuit, width)
        if body["backend"] == "simulator" and body["noise"]["model"] == "ideal":
            return exact
        counts = self._rng.multinomial(body["shots"], np.array(list(exact.values())) / sum(exact.values()))
        return {k: int(n) / body["shots"] for k, n in zip(exact, counts, strict=True) if n}


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(("POST", self.path))
            if not self._allowed() or self.path != "/v0.4/jobs":
                return self._answer(404 if self._allowed() else 401, {"message": "no", "code": 1})
            fault = server.faults.pop(0) if server.faults else None
            if isinstance(fault, int):
                return self._answer(fault, {"message": "later", "code": fault})
            if fault != "lose":
                status, answer = server.submit(body)
            if fault == "hang":
                server._closing.wait()
            if fault in ("drop", "lose", "hang"):
                self.close_connection = True
                return None
            if fault == "break":
                return self._answer(500, {"message": "broken", "code": 500})
            return self._answer(status, answer)

        def do_PUT(self):
            server.requests.append(("PUT", self.path))
            names = self.path.removeprefix("/v0.4/").split("/")
            assert names[2:] == ["status", "cancel"]
            server.jobs[names[1]]["status"] = "canceled"
            return self._answer(200, {"id": names[1], "status": "canceled"})

        def do_GET(self):
            parts = urlparse(self.path)
            server.requests.append(("GET", parts.path))
            names = parts.path.removeprefix("/v0.4/").split("/")
            if names[0] == "backends":
                return self._answer(200, {"backend": names[1], "qubits": 11})
            if not self._allowed():
                return self._answer(401, {"message": "no", "code": 1})
            if server.query_faults:
                return self._answer(server.query_faults.pop(0), {"message": "later", "code": 1})
            if names == ["jobs"]:
                query = parse_qs(parts.query)
                return self._answer(200, server.listing(int(query["limit"][0]), int(query.get("next", ["0"])[0])))
            if len(names) > 1 and names[1] not in server.jobs:
                return self._answer(404, {"message": "no such job", "code": 1})
            if len(names) == 2:
                return self._answer(200, server.describe(names[1]))
            return self._answer(200, server.results(names[1]))

        def _allowed(self):
            return self.headers.get("Authorization") == f"apiKey {TOKEN}"

        def _answer(self, status, content):
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
