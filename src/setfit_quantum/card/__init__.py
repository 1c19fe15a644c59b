"""The model card: what a model is, how to use it, what was measured, and what it cannot do."""

from setfit_quantum.card.facts import CardFacts, CardResult, read_facts, write_facts
from setfit_quantum.card.render import render_card, render_head_card

__all__ = ["CardFacts", "CardResult", "read_facts", "render_card", "render_head_card", "write_facts"]
