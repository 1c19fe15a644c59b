"""The demo and a test Hub in one process of their own; started by `demo_fixtures`, not by hand.

    python tests/demo_process.py FOLDER PID

Writes `FOLDER/addresses.json` once the demo answers, and ends when the process PID has ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def point_at_hub(hub: str, folder: Path) -> None:
    """Let this process ask this Hub alone, and keep its files in `folder`. Before huggingface_hub is imported."""
    os.environ |= {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(folder / "hf-home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
    }
    os.environ.pop("HF_HUB_OFFLINE", None)


def end_with(pid: int, folder: Path, addresses: dict[str, Any]) -> NoReturn:
    """Tell the addresses, and end when the process `pid` has ended."""
    staging = folder / "addresses.tmp"
    staging.write_text(json.dumps(addresses))
    staging.rename(folder / "addresses.json")
    while is_alive(pid):
        time.sleep(0.5)
    sys.stdout.flush()
    os._exit(0)  # Gradio's threads need not be waited for


def main() -> None:
    folder, pid = Path(sys.argv[1]), int(sys.argv[2])
    from hub_server import HubServer

    with HubServer(folder / "hub") as hub:
        point_at_hub(hub.url, folder)
        from setfit_quantum.demo import build_app, load_engine, serve

        url = serve(build_app(load_engine()), block=False, report=print)
        end_with(pid, folder, {"demo": url, "hub": hub.url, "requests_at_start": len(hub.requests())})


if __name__ == "__main__":
    main()
