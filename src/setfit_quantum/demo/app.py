"""The app: four tabs and three endpoints over one engine, and how it is served."""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
import torch
from starlette.middleware import Middleware

from setfit_quantum.demo.about_tab import build_about_tab
from setfit_quantum.demo.api import build_api
from setfit_quantum.demo.body_limit import LimitedBody
from setfit_quantum.demo.classify_panel import STATE_SECONDS, build_panel
from setfit_quantum.demo.engine import Engine
from setfit_quantum.demo.explore_tab import build_explore_tab
from setfit_quantum.demo.keeping import ZipShelf
from setfit_quantum.demo.limits import MAX_BODY, MAX_FILE
from setfit_quantum.demo.pipeline import draw_pipeline
from setfit_quantum.demo.request import CheckedBlocks
from setfit_quantum.demo.style import build_theme, read_css
from setfit_quantum.demo.train_tab import build_train_tab

QUEUE = 64
"""Requests that wait; further ones are told to come back."""
SESSIONS = 1000
"""Visitors whose state is kept, some 250 kB each; then the one that was away longest is forgotten."""
FILE_SECONDS = 1200
"""How long uploaded files and zip files stay on the disk."""
EXAMPLES = [
    "My kids want to go back tomorrow.",
    "It broke after two days.",
    "A joy from start to finish!",
    "Not bad at all, I would come again.",
    "I could not put it down.",
]


def build_app(engine: Engine) -> gr.Blocks:
    """The whole app, ready to be launched by `serve`."""
    shelf = ZipShelf(engine)
    with CheckedBlocks(
        title="Quantum text classification",
        analytics_enabled=False,
        delete_cache=(FILE_SECONDS // 2, FILE_SECONDS),
    ) as app:
        trained = gr.State(None, time_to_live=STATE_SECONDS)
        gr.HTML(
            '<header class="sq-header"><h1>A quantum circuit reads your sentence</h1><p>'
            "A few simulated qubits decide what a sentence says. Turn the noise up and watch them hesitate."
            "</p></header>"
        )
        with gr.Tabs():
            with gr.Tab("Classify", id="classify"):
                gr.HTML(
                    f'<p class="sq-task">{escape(engine.bundled.about)}</p>{draw_pipeline(engine.bundled.head)}',
                    elem_id="classify-intro",
                )
                panel = build_panel(engine, lambda _: engine.bundled, trained, prefix="main", examples=EXAMPLES)
            with gr.Tab("Train your own", id="train"):
                build_train_tab(engine, trained, shelf)
            with gr.Tab("Explore", id="explore"):
                build_explore_tab()
            with gr.Tab("About", id="about"):
                build_about_tab(engine)
        build_api(engine, trained, shelf)
        # The page opens with an answer instead of with empty frames.
        app.load(**panel.run, show_progress="hidden")
    # With an open API, as it is outside a Space, direct calls would skip the queue and its limits.
    app.queue(max_size=QUEUE, default_concurrency_limit=4, api_open=False)
    blocks: gr.Blocks = app
    return blocks


def serve(
    app: gr.Blocks,
    *,
    port: int | None = None,
    open_browser: bool = False,
    block: bool = True,
    report: Callable[[str], None] | None = None,
) -> str:
    """Serve the app.

    Args:
        app: What `build_app` made.
        port: Port; None: Gradio's own choice (its environment variables, else the first free one from 7860).
        open_browser: Whether to open a browser.
        block: Whether to wait until the server is stopped (Ctrl-C).
        report: Told the address once it answers.

    Returns:
        The address.

    Raises:
        OSError: The port is taken.
    """
    # Visitors share the cores: one request must not take all of them.
    torch.set_num_threads(1)
    # A training hands the interpreter's lock back and forth thousands of times, and would wait 5 ms for it each time.
    sys.setswitchinterval(0.0005)
    options: dict[str, Any] = {
        "theme": build_theme(),
        "css": read_css(),
        "head": '<meta name="color-scheme" content="light dark">',
    }
    _, url, _ = app.launch(
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=report is not None,
        max_file_size=MAX_FILE,
        state_session_capacity=SESSIONS,
        # A history of runs would keep what visitors typed, their tokens too, in their browsers.
        run_history=False,
        enable_monitoring=False,
        footer_links=["api"],
        ssr_mode=False,
        share=False,
        app_kwargs={"middleware": [Middleware(LimitedBody, limit=MAX_BODY)]},
        **options,
    )
    if report is not None:
        report(url)
    if block:
        app.block_thread()
    return url
