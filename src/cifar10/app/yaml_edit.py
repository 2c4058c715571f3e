"""Values changed inside a YAML text whose comments stay, in the form in which `dvc exp run -S` writes params.yaml."""

from collections.abc import Mapping
from typing import Any


def edit_yaml(text: str, changes: Mapping[str, Any]) -> str:
    """The text with the values at dotted keys, which it must have, replaced; DVC itself writes it.

    So an edit is a line of `git diff`, and so is the next one by DVC.
    """
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update  # here: a quarter of a second

    document = parse_yaml_for_update(text, "")
    for key, value in changes.items():
        *sections, last = key.split(".")
        node = document
        for section in sections:
            node = node[section]
        node[last] = value
    return dumps_yaml(document)
