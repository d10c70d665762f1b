"""`toolcrib eval next-tool` and `toolcrib eval need`: the predictors that are learnt from usage, on labelled data."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import out, print_json, progress, table
from gateway.cli.shell import Shell, command

Evaluation = Callable[..., Coroutine[Any, Any, dict[str, Any]]]

Dataset = Annotated[Path, typer.Option(resolve_path=True, help="Folder in the data set form.")]
Split = Annotated[str, typer.Option(help="Every split whose name begins so.")]


@command
async def next_tool(dataset: Dataset, split: Split = "test", *, shell: Shell) -> None:
    """Which tool is called next, learnt from the folder's own sessions (sessions.jsonl)."""
    from gateway.evaluation.next_tool import evaluate_next_tool  # noqa: PLC0415 - the engines

    result = await _run(evaluate_next_tool, dataset, split, shell)
    if shell.as_json:
        print_json(result)
        return
    out.print(
        f"{result['dataset']}, split {result['split']}: {result['steps']} calls, learnt on {result['learnt_on'] or '-'}"
    )
    ways = {"this model": result, **{name: result[name] for name in ("markov1", "repeat", "prior")}}
    rows = [(name, f"{found['hit@1']:.3f}", f"{found['hit@5']:.3f}") for name, found in ways.items()]
    out.print(table("", "hit@1", "hit@5", rows=rows, right=("hit@1", "hit@5")))


@command
async def need(dataset: Dataset, split: Split = "test", *, shell: Shell) -> None:
    """Whether a request needs a tool at all, learnt from the folder's own labels (need.jsonl)."""
    from gateway.evaluation.need import evaluate_need  # noqa: PLC0415 - the engines

    result = await _run(evaluate_need, dataset, split, shell)
    if shell.as_json:
        print_json(result)
        return
    out.print(
        f"{result['dataset']}, split {result['split']}: {result['queries']} requests, learnt on {result['learnt_on']}"
    )
    rows = [
        (name, f"{result[name]:.3f}", f"{folds['mean']:.3f}", f"{folds['low']:.3f} to {folds['high']:.3f}")
        for name, folds in result["folds"].items()
    ]
    out.print(table("", "asked", "mean of folds", "95 % of folds", rows=rows, right=("asked", "mean of folds")))


async def _run(evaluate: Evaluation, dataset: Path, split: str, shell: Shell) -> dict[str, Any]:
    from gateway.models import Embedders  # noqa: PLC0415 - the engines

    with progress() as bar:
        task = bar.add_task("Evaluating", total=None)

        def on_progress(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        embedder = await Embedders(shell.settings)(shell.settings.embedder)
        return await evaluate(dataset, embedder, shell.settings.data / "eval-cache", on_progress, split=split)
