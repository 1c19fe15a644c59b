"""From a specification, or from a user's data alone, to a plan: data read, bodies chosen, cells expanded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from setfit_quantum.data import Examples
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.expansion import expand
from setfit_quantum.experiments.pools import build_pool, load_pooled_examples, resolve_source
from setfit_quantum.experiments.run_settings import FROZEN
from setfit_quantum.experiments.specification import Specification
from setfit_quantum.experiments.study import EMBEDDINGS_FOLDER, StudyPlan

HEADER_FIELDS = ("title", "source", "notes", "reference", "claims", "plot")


def plan_study(
    specification: Specification,
    level: str = "default",
    *,
    data: str | None = None,
    body: str | None = None,
    n_seeds: int | None = None,
    columns: Sequence[str] | None = None,
    folder: Path | None = None,
    say: Callable[[str], object] | None = None,
) -> StudyPlan:
    """Plan a study of heads. Nothing is encoded or trained yet.

    Args:
        specification: What is studied.
        level: One of `LEVELS`.
        data: Data in place of the specification's.
        body: Sentence transformer in place of the specification's.
        n_seeds: Seeds in place of the specification's.
        columns: `"frozen"`, `"tuned"` or both, in place of the specification's.
        folder: Where embeddings are kept; None: nowhere.
        say: Told what takes long.

    Raises:
        DataError: Data that cannot be used.
        SpecificationError: A setting that cannot be used.
    """
    cells = expand(specification, level, n_seeds)
    values = specification.at_level(level)
    wanted = values["data"]
    source = resolve_source(wanted["id"], data)
    examples = load_pooled_examples(source, None if data is not None else wanted.get("parts"))
    # A data set is called by its id wherever its copy lies.
    name = wanted["id"] if data is None else Path(data).name
    examples = Examples(examples.texts, examples.labels, name, examples.multilabel)
    per_class = wanted.get("per_class")
    if data is not None and per_class is not None and not examples.multilabel:
        per_class = max(2, min(per_class, min(Counter(map(str, examples.labels)).values()) // 2))
    pool = build_pool(examples, per_class, wanted.get("validation_fraction", 0.15))
    store = EmbeddingStore(
        pool,
        body if body is not None else values.get("body"),
        None if folder is None else folder / EMBEDDINGS_FOLDER,
        values.get("tuning"),
        say,
    )
    header: dict[str, Any] = {name: values[name] for name in HEADER_FIELDS if values.get(name) is not None}
    if header.get("reference") not in [cell.name for cell in cells]:
        header["reference"] = None  # a row of another level
    chosen = list(columns or values.get("bodies", [FROZEN]))
    return StudyPlan(specification.name, level, cells, chosen, store, header)
