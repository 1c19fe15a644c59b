"""Taking a trained model home: as a zip file, or to the Hub."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.limits import RequestError
from setfit_quantum.model import SetFitModel
from setfit_quantum.vanilla import import_setfit

_REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}")
_HEAD_README = """# The quantum head alone

Put it on the sentence transformer it was trained with:

```python
from setfit_quantum import QuantumHead, SetFitModel

head = QuantumHead.from_pretrained("quantum-head")
model = SetFitModel.from_pretrained({body!r}, head=head, labels={labels!r})
print(model.predict(["A sentence."]))
```
"""


class _SharedBodyModel(SetFitModel):
    """A model whose body others use too: nobody encodes while its files are written."""

    engine: Engine

    def _save_pretrained(self, save_directory: Path | str) -> None:
        with self.engine.saving():
            super()._save_pretrained(save_directory)


def to_setfit(engine: Engine, model: DemoModel) -> SetFitModel:
    """Body and head as one model."""
    data = import_setfit().SetFitModelCardData()
    data.st_id = engine.body_name
    whole = _SharedBodyModel(
        model_body=engine.body,
        model_head=model.head,
        labels=list(model.labels),
        normalize_embeddings=engine.normalize,
        model_card_data=data,
    )
    whole.engine = engine
    return whole


class ZipShelf:
    """Zip files that wait to be fetched, in the folder that Gradio empties by their age.

    Args:
        engine: Has the body.
        limit: Whole models at once; a further one takes the place of the oldest, so that the disk stays bounded.
    """

    def __init__(self, engine: Engine, limit: int = 8) -> None:
        self._engine = engine
        self._limit = limit
        self._whole: deque[Path] = deque()
        self._lock = threading.Lock()

    def put(self, model: DemoModel, *, whole: bool) -> Path:
        """Write a zip file.

        Args:
            model: The model.
            whole: Body and head, or the head alone.

        Returns:
            Its path, in a new folder whose name nobody can guess: whoever knows the path may fetch the file.
        """
        folder = Path(get_upload_folder()) / secrets.token_hex(32)
        if whole:
            self._make_room(folder)
        folder.mkdir(parents=True)
        return _write_zip(self._engine, model, folder, whole)

    def _make_room(self, folder: Path) -> None:
        with self._lock:
            self._whole.append(folder)
            while len(self._whole) > self._limit:
                shutil.rmtree(self._whole.popleft(), ignore_errors=True)


def _write_zip(engine: Engine, model: DemoModel, folder: Path, whole: bool) -> Path:
    name = "quantum-model" if whole else "quantum-head"
    path = folder / f"{name}.zip"
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / name
        if whole:
            to_setfit(engine, model).save_pretrained(source)
        else:
            model.head.save_pretrained(source)
            text = _HEAD_README.format(body=engine.body_name, labels=list(model.labels))
            (source / "README.md").write_text(text, encoding="utf-8")
        # Weights do not get smaller by compressing, only slower.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(source.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    archive.write(file, Path(name) / file.relative_to(source))
    return path


def push(engine: Engine, model: DemoModel, repository: Any, token: Any, *, private: bool) -> str:
    """Push body, head and card to the Hub with the visitor's own token, which is used for this and then forgotten.

    Returns:
        The repository's address.

    Raises:
        RequestError: No token, a name that the Hub does not allow, or its refusal in words without the token.
    """
    name = str(repository or "").strip()
    secret = str(token or "").strip()
    if not _REPOSITORY.fullmatch(name):
        raise RequestError(f"The repository must be a name like you/my-model, but got {name[:60]!r}.")
    if not secret:
        raise RequestError("Pushing needs a token with write access (hf.co/settings/tokens), or a login.")
    try:
        url = to_setfit(engine, model).push_to_hub(name, token=secret, private=private)
    except Exception as error:
        reason = str(error).strip().splitlines()
        words = (reason[0] if reason else type(error).__name__).replace(secret, "***")
        # `from None`: a chained error might carry the token into a log.
        raise RequestError(f"The Hub did not take the model: {words[:300]}") from None
    return str(getattr(url, "repo_url", url))
