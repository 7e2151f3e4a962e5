"""Every required dependency is imported by the packages, or listed here with the reason why it is required
all the same."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

# Required although nothing imports it: distribution -> reason.
NOT_IMPORTED = {
    "torchvision": "open_clip imports it for its transforms; its version must match torch's",
    "aiohttp": "fsspec reads shards at https addresses with it",
    "language_data": "langcodes reads the names of languages from it",
    "python-multipart": "FastAPI parses uploads with it",
}


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    """The names in `dependencies`, normalised."""
    return {normalised(re.match(r"[\w.-]+", line)[0]) for line in PROJECT["project"]["dependencies"]}


def modules_of(tree: ast.AST) -> set[str]:
    """The top-level modules that a syntax tree imports: also within functions, and by
    `import_module("name")`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return {name.split(".")[0] for name in names}


@functools.cache
def imported(folders: tuple[str, ...]) -> set[str]:
    """The distributions that the Python files of these folders import, normalised."""
    modules = {
        module
        for folder in folders
        for path in Path(ROOT, folder).rglob("*.py")
        for module in modules_of(ast.parse(path.read_text()))
    }
    installed = packages_distributions()
    return {normalised(name) for module in modules for name in installed.get(module, [])}


def test_every_required_dependency_is_imported() -> None:
    unused = required() - imported(tuple(PACKAGES)) - {normalised(name) for name in NOT_IMPORTED}
    assert unused == set()


def test_every_exception_is_required_and_needed() -> None:
    exceptions = {normalised(name) for name in NOT_IMPORTED}
    assert exceptions <= required()
    assert exceptions & imported(tuple(PACKAGES)) == set()


def test_imports_within_functions_count() -> None:
    source = "import a.b\ndef f():\n    from c.d import e\n    from . import g\n    import_module('h.i')\n"
    assert modules_of(ast.parse(source)) == {"a", "c", "h"}
