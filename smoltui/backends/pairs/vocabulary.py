"""Whether a token is in the vocabulary of a recipe's model."""

from __future__ import annotations

import json
from collections.abc import Mapping

from smoltui.backends.pairs.template_tools import model_file
from smoltui.backends.pairs.tokenizer_files import TOKENIZER
from smoltui.backends.project.project import Project
from smoltui.errors import SmoltuiError


def knows_pad_token(project: Project, values: Mapping[str, object]) -> bool | None:
    """Whether the model has the recipe's `pad_token`; None if the recipe sets none, or its tokenizer is not here.

    The token is searched in tokenizer.json as a whole string: a vocabulary of 128 000 tokens takes long to decode.
    """
    token, name = values.get("pad_token"), values.get("model_name_or_path")
    if not isinstance(token, str) or not isinstance(name, str) or not name:
        return None
    try:
        path = model_file(project, values, name, TOKENIZER)
        data = path.read_bytes() if path is not None else None
    except (SmoltuiError, OSError):
        return None
    if data is None:
        return None
    ways = (json.dumps(token), json.dumps(token, ensure_ascii=False))
    return any(way.encode("utf-8", "surrogatepass") in data for way in ways)
