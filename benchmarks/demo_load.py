"""Many visitors of the demo at once: errors, mixed-up answers and latency.

    python benchmarks/demo_load.py                       # starts the demo itself; 20 users, one of whom trains
    python benchmarks/demo_load.py --url http://127.0.0.1:7860 --users 5 --seconds 20

Every user asks for sentences of their own and compares what comes back with the answer that a lone visitor got before:
text, labels and the noise-free confidences must be the same. Meanwhile one more user trains over and over.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client

from setfit_quantum.data import load_examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="A demo that runs already.")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--shots", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--json", type=Path, help="Where to write the figures.")
    arguments = parser.parse_args()
    server, url = (None, arguments.url) if arguments.url else start_demo()
    try:
        found = run(url, arguments.users, arguments.seconds, arguments.shots, arguments.noise)
    finally:
        if server is not None:
            server.terminate()
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(1 if found["errors"] or found["mixed_up"] or found["training_errors"] else 0)


def start_demo() -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-u", "-m", "setfit_quantum", "demo", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if match := re.search(r"Running on (\S+)", line):
            return server, match[1]
    raise SystemExit("The demo did not start.")


def run(url: str, users: int, seconds: float, shots: int, noise: float) -> dict[str, Any]:
    texts = load_examples("bundled:reviews", split="test").texts
    alone = Client(url, verbose=False)
    own = [texts[user::users][:5] for user in range(users)]
    expected = {text: ask(alone, text, shots, noise)[1] for part in own for text in part}
    lock, stop = threading.Lock(), threading.Event()
    latencies: list[float] = []
    errors: list[str] = []
    mixed: list[str] = []
    trainings: list[float] = []
    training_errors: list[str] = []

    def classify(user: int) -> None:
        client = Client(url, verbose=False)
        number = 0
        while not stop.is_set():
            text = own[user][number % len(own[user])]
            number += 1
            started = time.perf_counter()
            try:
                confidences, details = ask(client, text, shots, noise)
            except Exception as error:
                with lock:
                    errors.append(f"{type(error).__name__}: {error}")
                continue
            with lock:
                latencies.append(time.perf_counter() - started)
                if wrong(text, confidences, details, expected[text]):
                    mixed.append(text)

    def train() -> None:
        client = Client(url, verbose=False)
        rows = load_examples("bundled:support")
        pairs = [[text, label] for text, label in zip(rows.texts, rows.labels, strict=True)][:64]
        labels = {label for _, label in pairs}
        while not stop.is_set():
            started = time.perf_counter()
            try:
                client.predict(pairs, 8, 2, 200, api_name="/train")
                answer, _ = client.predict(text="Where is my parcel?", model="own", api_name="/classify")
            except Exception as error:
                training_errors.append(f"{type(error).__name__}: {error}")
                continue
            if set(answer) != labels:
                mixed.append("the trained model's labels")
            trainings.append(time.perf_counter() - started)

    threads = [threading.Thread(target=classify, args=(user,), daemon=True) for user in range(users)]
    threads.append(threading.Thread(target=train, daemon=True))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join(120)
    return {
        "users": users,
        "seconds": seconds,
        "shots": shots,
        "noise_level": noise,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "answers": len(latencies),
        "errors": len(errors),
        "first_errors": errors[:3],
        "mixed_up": len(mixed),
        "latency_median_s": round(float(np.median(latencies)), 3) if latencies else None,
        "latency_p95_s": round(float(np.quantile(latencies, 0.95)), 3) if latencies else None,
        "trainings": len(trainings),
        "training_median_s": round(float(np.median(trainings)), 2) if trainings else None,
        "training_errors": len(training_errors),
    }


def ask(client: Client, text: str, shots: int, noise: float) -> tuple[dict[str, float], dict[str, Any]]:
    confidences, details = client.predict(text=text, shots=shots, noise_level=noise, api_name="/classify")
    return confidences, details


def wrong(text: str, confidences: dict[str, float], details: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether the answer is not that of this sentence."""
    (sentence,), (before,) = details["sentences"], expected["sentences"]
    same = sentence["text"] == text and confidences == sentence["confidences"]
    clean, reference = sentence["without_noise"], before["without_noise"]
    return not same or any(abs(clean[label] - reference[label]) > 1e-4 for label in reference)


if __name__ == "__main__":
    main()
