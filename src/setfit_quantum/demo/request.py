"""Turning refusals into messages on the page, and nothing else."""

from __future__ import annotations

from html import escape

import gradio as gr

from setfit_quantum.demo.limits import RequestError


def refuse(error: RequestError) -> gr.Error:
    """The message as Gradio shows it, and hands it to clients; without a traceback in the log."""
    return gr.Error(escape(str(error), quote=False), duration=12, title="Not possible", print_exception=False)
