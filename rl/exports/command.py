"""`toolcrib rl dataset`, `convert` and `adapt`: from files to files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from index.evaluation.dataset import read_tools
from rl.adapter.fit import fit_adapter
from rl.data.checks import require_one_version
from rl.data.conversion import convert, write
from rl.data.decisions import decisions
from rl.data.embedding import embedded
from rl.data.forest import Node, forest, judgements
from rl.data.reading import Export, read_export
from rl.exports.messages import Tools, dpo_rows, grpo_rows, sft_rows
from rl.exports.tables import case_rows, graph_rows, tool_rows, transition_rows

Judged = dict[str, float]

FORMS: Mapping[str, Callable[[Export, list[Node], Judged, Tools], Iterable[dict[str, Any]]]] = {
    "sft": lambda _export, roots, judged, tools: sft_rows(roots, judged, tools),
    "dpo": lambda _export, roots, judged, tools: dpo_rows(roots, judged, tools),
    "grpo": lambda _export, roots, judged, _tools: grpo_rows(roots, judged),
    "transitions": lambda _export, roots, judged, _tools: transition_rows(roots, judged),
    "graph": lambda _export, roots, _judged, _tools: graph_rows(roots),
    "cases": lambda export, _roots, _judged, _tools: case_rows(export.steps),
    "tools": lambda export, _roots, _judged, _tools: tool_rows(export.steps),
}


def write_dataset(log: Path, form: str, catalogue: Path | None, out: Path) -> int:
    """Rows written. `catalogue`: a folder with tools.jsonl, for the tools' texts. Raises InvalidInput."""
    if form not in FORMS:
        raise InvalidInput(f"No form is called {form!r}; the forms are {', '.join(FORMS)}.")
    tools = {} if catalogue is None else {tool.tool_id: tool.document.raw for tool in read_tools(catalogue)}
    export = read_export(log)
    rows = list(FORMS[form](export, forest(export.steps), judgements(export.steps), tools))
    if not rows:
        raise InvalidInput(f"{log} gives no row of the form {form}: sessions of its kind, or judgements, are missing.")
    try:
        out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written ({error.strerror}); name another file.") from error
    return len(rows)


def write_converted(dataset: Path, split: str, out: Path) -> int:
    """Steps written. Raises InvalidInput."""
    steps = convert(dataset, split)
    write(steps, f"data set {dataset.name}, split {split}", out)
    return len(steps)


def train_adapter(log: Path, out: Path, *, mixed: bool = False) -> int:
    """Decisions learnt from. Those that nobody judged are left out. Raises InvalidInput before anything is trained."""
    export = read_export(log)
    require_one_version(export.steps, mixed=mixed)
    found = [decision for decision in decisions(export.steps) if decision.reward is not None]
    facts = {"data": export.digest, "source": export.source, "decisions": len(found)}
    queries = list(dict.fromkeys(decision.query for decision in found))
    version, vectors = embedded(queries)
    fit_adapter(found, vectors, version, facts).save(out)
    return len(found)
