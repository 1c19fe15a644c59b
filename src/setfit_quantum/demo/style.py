"""How the page looks: theme and style sheet, which `launch` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr


def build_theme() -> Any:
    """A soft theme with the system's own fonts: nothing is fetched from elsewhere."""
    fonts = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    return gr.themes.Soft(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=fonts,
        font_mono=("ui-monospace", "DejaVu Sans Mono", "monospace"),
    )


def read_css() -> str:
    """The style sheet."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
