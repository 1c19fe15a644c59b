"""The web demo: `serve(build_app(load_engine()))`. It needs the extra `demo`."""

from setfit_quantum.demo.app import build_app, serve
from setfit_quantum.demo.bundled import load_engine

__all__ = ["build_app", "load_engine", "serve"]
