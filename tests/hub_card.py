"""The YAML front matter of README.md, as far as the test Hub (`hub_server.py`) reads it."""

from __future__ import annotations

import re
from typing import Any

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "streamlit", "docker", "static")


def front_matter(text: str) -> str | None:
    """Return the block between the two lines of dashes, None when there is none or it is not closed."""
    match = re.match(r"\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    return match.group(1) if match else None


def card_data(text: str) -> dict[str, Any]:
    """Return the front matter's scalars and lists of scalars; nested blocks (such as model-index) are left out."""
    data: dict[str, Any] = {}
    nested: set[str] = set()
    key = ""
    for line in (front_matter(text) or "").splitlines():
        if match := re.match(r"([\w-]+):\s*(.*)$", line):
            key, value = match.group(1), match.group(2).strip()
            inline = re.fullmatch(r"\[(.*)\]", value)
            if inline:
                data[key] = [scalar(item) for item in inline.group(1).split(",") if item.strip()]
            elif value and value not in ("|", ">", "|-", ">-"):
                data[key] = scalar(value)
        elif (match := re.match(r"\s*-\s+(.+)$", line)) and not re.match(r"[\w-]+:(\s|$)", match.group(1)):
            if isinstance(data.setdefault(key, []), list):
                data[key].append(scalar(match.group(1)))
        elif line.strip() and not line.lstrip().startswith("#"):
            nested.add(key)
    return {name: value for name, value in data.items() if name not in nested}


def scalar(text: str) -> Any:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def card_problems(text: str, repo_type: str) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings that `validate-yaml` gives for a README.md."""
    block = front_matter(text)
    if block is None:
        if text.lstrip().startswith("---"):
            return ["The front matter is not closed by a line of three dashes"], []
        return [], ["empty or missing yaml metadata in repo card"]
    errors = [f"Tabs cannot indent YAML: {line!r}" for line in block.splitlines() if re.match(r" *\t", line)]
    errors += [
        f"Not a YAML mapping: {line!r}"
        for line in block.splitlines()
        if line.strip() and not re.match(r"\s|-\s|#|[^\s:#][^:]*:(\s|$)|[\]}]", line)
    ]
    data = card_data(text)
    if repo_type == "space":
        errors += [f'"{key}" must be one of {COLORS}' for key in ("colorFrom", "colorTo") if wrong(data, key, COLORS)]
        if data.get("sdk") is None or wrong(data, "sdk", SDKS):
            errors.append(f'"sdk" must be one of {SDKS}')
        if len(str(data.get("short_description", ""))) > 60:
            errors.append('"short_description" length must be less than or equal to 60 characters long')
    errors += [
        f'"{key}" must be a string or a list' for key in ("license", "library_name", "tags") if data.get(key) is True
    ]
    return errors, []


def wrong(data: dict[str, Any], key: str, allowed: tuple[str, ...]) -> bool:
    return key in data and data[key] not in allowed


def card_tags(data: dict[str, Any]) -> list[str]:
    """Return the tags that the Hub derives from the front matter."""
    tags: list[str] = []
    for key, prefix in (
        ("library_name", ""),
        ("tags", ""),
        ("pipeline_tag", ""),
        ("datasets", "dataset:"),
        ("language", ""),
        ("base_model", "base_model:"),
        ("license", "license:"),
    ):
        values = data.get(key, [])
        tags += [prefix + str(value) for value in (values if isinstance(values, list) else [values])]
    return list(dict.fromkeys(tags))
