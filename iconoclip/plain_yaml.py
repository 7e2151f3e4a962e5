"""Reads YAML as plain values. A key that comes twice in a mapping is an error: PyYAML takes the last value
without a word.
"""

from __future__ import annotations

from typing import Any


def load_plain(text: str) -> Any:
    """The value that YAML text stands for.

    Raises:
        yaml.YAMLError: it is not YAML, or has a key twice in one mapping.
        ValueError, RecursionError: a date that does not exist, or values nested too deeply.
    """
    import yaml  # here, because the help of a verb needs no YAML

    # libyaml is nine times as fast as Python's own reader, and bounds the depth.
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Once(base):  # type: ignore[misc, valid-type]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
                if key.value in seen:
                    what = f"the key '{key.value}' comes twice"
                    raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader=Once)
