"""An exercise's head, made from our source: imports, signature, docstring, and no body.

It is cut out when it is asked for, so it never differs from the code that the tests are for.
"""

import ast
import inspect
import sys
import textwrap

from .catalogue import Exercise

TODO = "raise NotImplementedError"


def skeleton(exercise: Exercise) -> str:
    """A file to begin with."""
    module = sys.modules[exercise.original().__module__]
    tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.original())))
    whole = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    (node,) = tree.body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    head = ast.unparse(_cut(node))
    needed = {each.id for each in ast.walk(ast.parse(head)) if isinstance(each, ast.Name)}
    imports = _imports(
        ast.parse(inspect.getsource(module)), module.__package__ or "", whole, needed
    )
    local = sorted(
        name
        for name in needed & set(vars(module))
        if name != exercise.short and not any(name in line.split() for line in _words(imports))
    )
    if local:
        imports.append(f"from {module.__name__} import {', '.join(local)}")
    note = f"# {exercise.name}: chapter {exercise.chapter}. {exercise.source}"
    check = "# pytest --mine=my.py, where my.py is this file"
    parts = [f"{note}\n{check}", "\n".join(imports)]
    return "\n\n".join(part for part in parts if part) + f"\n\n\n{head}\n"


def _cut(node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
    """The same without bodies; of a class, without private methods."""
    if isinstance(node, ast.FunctionDef):
        doc = node.body[:1] if ast.get_docstring(node) else []
        node.body = [*doc, *ast.parse(TODO).body]
        return node
    kept: list[ast.stmt] = []
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            special = each.name.startswith("__")
            if special or not each.name.startswith("_"):
                _cut(each)
                kept.append(each)
        elif not (isinstance(each, ast.AnnAssign | ast.Assign) and _private(each)):
            kept.append(each)
    node.body = kept
    return node


def _private(node: ast.AnnAssign | ast.Assign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(each, ast.Name) and each.id.startswith("_") for each in targets)


def _imports(tree: ast.Module, package: str, whole: set[str], needed: set[str]) -> list[str]:
    """Of the module's imports those of libraries that ours uses, and of us those the head uses."""
    lines = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            kept = [a for a in node.names if (a.asname or a.name.partition(".")[0]) in whole]
            lines += [f"import {ast.unparse(alias)}" for alias in kept]
        elif isinstance(node, ast.ImportFrom):
            wanted = needed if node.level else whole
            kept = [alias for alias in node.names if (alias.asname or alias.name) in wanted]
            if kept:
                place = ".".join(x for x in (package if node.level else "", node.module or "") if x)
                lines.append(f"from {place} import {', '.join(map(ast.unparse, kept))}")
    return lines


def _words(lines: list[str]) -> list[str]:
    return [line.replace(",", " ") for line in lines]
