"""Mutations of model files for the fuzz tests: hostile values, broken bytes, and what is no file at all."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import struct
from pathlib import Path
from typing import Any

from setfit_quantum.serialization.layout import HEAD_CONFIG

HOSTILE: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        3,
        63,
        2**31,
        2**63,
        -(2**63),
        10**30,
        10**400,
        0.5,
        -0.0,
        1e-320,
        1e308,
        "",
        "2",
        "NaN",
    ),
    *([], [1], {}, {"a": 1}, [[]], "quantum", "mlp", "numba", "\x00", "\ud800", "x" * 10_000, "../../etc/passwd"),
    *({"p1": 2.0}, {"p1": "x"}, {"readout": [[0.1, 0.2]]}, [0.1] * 1000, {str(key): key for key in range(100)}),
]
RAW_NUMBERS = ["1e999", "-1e999", "1" * 5000, "NaN", "Infinity", "0x10", "01", "1_000", "{", '"', "[" * 5000]
NAMES = ["../up", "/etc/passwd", "a/../../b", "..", ".", "", "C:\\x", "a\x00b", "\ud800", "x" * 5000, "a/" * 2000,
         HEAD_CONFIG + "/x", "~/x", "./" + HEAD_CONFIG, HEAD_CONFIG.upper(), "link/x"]  # fmt: skip


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change some bytes: flips, insertions, deletions, doubled and truncated parts."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((1, 1, 2, 8, 64)))
        match rng.randrange(6):
            case 0:
                data[start:end] = bytes(byte ^ (1 << rng.randrange(8)) for byte in data[start:end])
            case 1:
                data[start:start] = rng.randbytes(rng.choice((1, 4, 100)))
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end]
            case 4:
                del data[start:]
            case 5:
                data[start:end] = bytes([rng.choice((0, 255, 34, 44, 123, 125))]) * (end - start)
    return bytes(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((*path, key), *places(item, (*path, key)))]


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Change values, keys or numbers of a JSON file, so that it stays JSON (mostly)."""
    values = json.loads(content)
    for _ in range(rng.choice((1, 1, 2))):
        where = rng.choice(places(values))
        parent = values
        for key in where[:-1]:
            parent = parent[key]
        hostile = copy.deepcopy(rng.choice(HOSTILE))
        if not isinstance(parent, dict):
            parent[where[-1]] = hostile
            continue
        match rng.randrange(5):
            case 0 | 1 | 2:
                parent[where[-1]] = hostile
            case 3:
                parent.pop(where[-1])
            case 4:
                parent[rng.choice(NAMES)] = parent.pop(where[-1]) if rng.random() < 0.7 else hostile
        if not places(values):
            break
    text = json.dumps(values)
    if rng.random() < 0.15:
        digits = [index for index, character in enumerate(text) if character.isdigit()]
        at = rng.choice(digits or [0])
        text = text[:at] + rng.choice(RAW_NUMBERS) + text[at + 1 :]
    return text.encode("utf-8", "surrogatepass" if rng.random() < 0.2 else "replace")


def mutate_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change the header (shapes, types, offsets, names, its length) or put NaN and infinities among the numbers."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    name = rng.choice([key for key in header if key != "__metadata__"])
    entry = header[name]
    match rng.randrange(8):
        case 0:
            entry["shape"] = rng.choice([[2**62], [2**32, 2**32], [0], [], [-1], [1.5], "x", [10**30], [1] * 500])
        case 1:
            entry["dtype"] = rng.choice(["F64", "F16", "I64", "BOOL", "F8_E4M3", "C64", "X", 3, None, "U16", "F4"])
        case 2:
            entry["data_offsets"] = rng.choice([[0, 2**60], [8, 0], [-1, 4], [0, 4], [len(data), len(data) + 4], [0]])
        case 3:
            header[rng.choice(["other", "", "__metadata__", "\x00", "a" * 5000])] = header.pop(name)
        case 4:
            header["__metadata__"] = rng.choice([{}, {"a": 1}, [], {"x": "y" * 9000}, None])
        case 5:
            at = rng.randrange(0, max(1, len(data) - 3))
            data[at - at % 4 : at - at % 4 + 4] = struct.pack("<f", rng.choice([math.nan, math.inf, -math.inf]))
        case 6:
            return struct.pack("<Q", rng.choice([0, 1, 2**31, 2**63, 2**64 - 1, length + 8])) + content[8:]
        case 7:
            data = (
                data[: rng.randrange(len(data) + 1)] if rng.random() < 0.5 else data + bytes(rng.choice([1, 4, 8192]))
            )
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def replace_file(path: Path, rng: random.Random) -> None:
    """Put something in the file's place that is no ordinary file."""
    path.unlink()
    match rng.randrange(8):
        case 0:
            path.symlink_to("/dev/zero")
        case 1:
            path.symlink_to(path)  # a loop
        case 2:
            path.symlink_to("/etc/passwd")
        case 3:
            path.symlink_to("../nowhere")
        case 4:
            path.mkdir()
        case 5:
            os.mkfifo(path)  # reading it would wait for ever
        case 6:
            path.symlink_to("/proc/self/mem")
        case 7:
            with path.open("wb") as file:  # huge, and takes no room on the disk
                file.truncate(2**36)


def mutation_of(name: str, content: bytes, kind: int, rng: random.Random) -> bytes:
    if kind < 3:
        return mutate_bytes(content, rng)
    if name.endswith(".safetensors"):
        return mutate_safetensors(content, rng)
    return mutate_json(content, rng) if name.endswith(".json") else mutate_bytes(content, rng)
