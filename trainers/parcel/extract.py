"""One function of this repository as a file of its own, with all that it refers to.

For code that a download needs a piece of: the network of a run without the rest of
`trainers`. Names of `trainers` are followed to where they are defined; other imports
stay imports.
"""

import ast
from dataclasses import dataclass, field
from pathlib import Path

from trainers.parcel.wheel import ROOT, ParcelError

_OURS = "trainers."


@dataclass
class _Found:
    """What has been gathered: imports, and definitions by module and name."""

    imports: set[str] = field(default_factory=set)
    pieces: dict[tuple[str, str], str] = field(default_factory=dict)


def extracted(module: str, name: str, root: Path = ROOT) -> str:
    """The code of a function and of whatever it refers to.

    Args:
        module: Where it is defined, such as `trainers.networks`.
        name: Its name.
        root: The checkout.

    Returns:
        The text of a module that imports nothing of `trainers`.

    Raises:
        ParcelError: If there is no such function.
    """
    found = _Found()
    _gather(root, module, name, found)
    plain = sorted(line for line in found.imports if line.startswith("import "))
    names = sorted(found.imports - set(plain))
    return "\n".join([*plain, *names, "", "", "\n\n\n".join(found.pieces.values()), ""])


def _gather(root: Path, module: str, name: str, found: _Found) -> None:
    if (module, name) in found.pieces:
        return
    text = _text(root, module)
    tree = ast.parse(text)
    node = _definitions(tree).get(name)
    if node is None:
        raise ParcelError(f"{module} does not define {name}.")
    found.pieces[module, name] = ""  # for those that refer to one another
    _follow(root, module, tree, node, found)
    # Put at the end: a constant comes before what is made of it.
    del found.pieces[module, name]
    found.pieces[module, name] = _source(text, node)


def _follow(
    root: Path, module: str, tree: ast.Module, node: ast.stmt, found: _Found
) -> None:
    """Gather what a definition refers to."""
    defined, imported = _definitions(tree), _imports(tree)
    used = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    for name in dict.fromkeys(used):
        source, line = imported.get(name, ("", ""))
        if name in defined:
            _gather(root, module, name, found)
        elif source.startswith(_OURS):
            _gather(root, source, name, found)
        elif line:
            found.imports.add(line)


def _text(root: Path, module: str) -> str:
    path = root / f"{module.replace('.', '/')}.py"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParcelError(f"{module} cannot be read: {error.strerror}.") from None


def _definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """Functions, classes and constants of a module by name."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for each in targets if isinstance(each, ast.Name)]
            found |= dict.fromkeys(names, node)
    return found


def _imports(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Module and import line of each name that a module imports."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for each in node.names:
                line = ast.unparse(ast.Import([each]))
                name = each.asname or each.name.split(".")[0]
                found[name] = (each.name, line)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                line = ast.unparse(ast.ImportFrom(node.module, [each], node.level))
                found[each.asname or each.name] = (node.module, line)
    return found


def _source(text: str, node: ast.stmt) -> str:
    """The lines of a definition, its decorators with it."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
