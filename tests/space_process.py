"""The demo as on a Space with a login, in a process of its own; started by `browser/test_login.py`, not by hand.

    python tests/space_process.py FOLDER PID

The body is a tiny one, so that it starts and pushes quickly. Writes `FOLDER/addresses.json`, as `demo_process.py` does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from bodies import TEXTS, build_tiny_body
from demo_process import end_with, point_at_hub
from hub_access import WRITE_TOKEN
from hub_server import HubServer
from openid_provider import OpenIDProvider

README = Path(__file__).parents[1] / "spaces" / "README.md"


def main() -> None:
    folder, pid = Path(sys.argv[1]), int(sys.argv[2])
    with HubServer(folder / "hub") as hub:
        point_at_hub(hub.url, folder)
        provider = OpenIDProvider("tester", WRITE_TOKEN)
        scopes = yaml.safe_load(README.read_text().split("---")[1])["hf_oauth_scopes"]
        # What a Space sets.
        os.environ |= {
            "SYSTEM": "spaces",
            "SPACE_ID": "tester/demo",
            "OAUTH_CLIENT_ID": "client",
            "OAUTH_CLIENT_SECRET": "secret of the app",
            "OAUTH_SCOPES": " ".join(["openid", "profile", *scopes]),
            "OPENID_PROVIDER_URL": provider.url,
        }
        body = build_tiny_body(folder / "body")
        from setfit_quantum import QuantumHead, SetFitModel
        from setfit_quantum.demo import build_app, serve
        from setfit_quantum.demo.engine import DemoModel, Engine

        model = SetFitModel.from_pretrained(str(body), head=QuantumHead(n_qubits=4, seed=0), labels=["no", "yes"])
        head = model.model_head
        head(model.model_body.encode(TEXTS[:2], convert_to_tensor=True))
        shown = DemoModel("tiny", head.eval(), ("no", "yes"), None, "A tiny model.")
        url = serve(build_app(Engine(model.model_body, shown, body_name=str(body))), block=False, report=print)
        end_with(pid, folder, {"demo": url, "hub": hub.url, "provider": provider.url})


if __name__ == "__main__":
    main()
