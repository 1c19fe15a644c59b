"""Labelled texts and images: reading them from files and the Hub, the bundled sets, and few-shot splits."""

from setfit_quantum.data.bundled import BUNDLED, bundled_path
from setfit_quantum.data.examples import DataError, Examples
from setfit_quantum.data.images import image_splits, load_images, read_image
from setfit_quantum.data.loading import has_splits, load_examples, load_texts
from setfit_quantum.data.splits import PooledSplit, draw_few_shot, pooled_split, stratified_split

__all__ = [
    "BUNDLED",
    "DataError",
    "Examples",
    "PooledSplit",
    "bundled_path",
    "draw_few_shot",
    "has_splits",
    "image_splits",
    "load_examples",
    "load_images",
    "load_texts",
    "pooled_split",
    "read_image",
    "stratified_split",
]
