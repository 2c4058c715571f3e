"""Values changed inside a YAML text whose comments and layout stay."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter


def edit_yaml(text: str, changes: Mapping[str, Any]) -> str:
    """The text with the values at dotted keys, which it must have, replaced; lists on one line."""
    yaml = YAML(typ="rt")  # safe too: it makes no objects of tags
    yaml.width = 4096  # lines are not folded
    yaml.preserve_quotes = True
    yaml.Representer = _Representer
    document = yaml.load(text)
    for key, value in changes.items():
        *sections, last = key.split(".")
        node = document
        for section in sections:
            node = node[section]
        node[last] = _one_line(value) if isinstance(value, list) else value
    edited = io.StringIO()
    yaml.dump(document, edited)
    return edited.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes `null` as the word, not as nothing."""


_Representer.add_representer(type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null"))


def _one_line(values: list[Any]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence
