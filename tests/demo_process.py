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


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    folder, pid = Path(sys.argv[1]), int(sys.argv[2])
    from hub_server import HubServer

    with HubServer(folder / "hub") as hub:
        # Before huggingface_hub is imported. Whoever asks another Hub than this one fails.
        os.environ |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf-home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "GRADIO_TEMP_DIR": str(folder / "gradio"),
        }
        os.environ.pop("HF_HUB_OFFLINE", None)
        from setfit_quantum.demo import build_app, load_engine, serve

        url = serve(build_app(load_engine()), block=False, report=print)
        addresses = {"demo": url, "hub": hub.url, "requests_at_start": len(hub.requests())}
        staging = folder / "addresses.tmp"
        staging.write_text(json.dumps(addresses))
        staging.rename(folder / "addresses.json")
        while is_alive(pid):
            time.sleep(0.5)
    sys.stdout.flush()
    os._exit(0)  # Gradio's threads need not be waited for


if __name__ == "__main__":
    main()
