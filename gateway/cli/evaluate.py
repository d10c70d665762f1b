"""`toolcrib eval`."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gateway.cli.output import out, print_json, progress, table
from gateway.cli.shell import Shell, command

app = typer.Typer(help="Measure this Toolcrib on labelled data.", no_args_is_help=True)

Turns = Literal["this", "last-3"]


@app.callback()
def _group() -> None:
    """Measure this Toolcrib on labelled data."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which queries are asked, and what the index has been told before."""

    split: Annotated[str, typer.Option(help="Every split whose name begins so.")] = "test"
    limit: Annotated[int | None, typer.Option(help="At most this many queries.")] = None
    turns: Annotated[Turns, typer.Option(help="Score each turn on its own text, or on the last three.")] = "this"
    usage: Annotated[str | None, typer.Option(help="A split whose queries become usage questions first.")] = None
    remove_gold: Annotated[
        bool, typer.Option("--remove-gold", help="Ask again without the gold tools: does search say that nothing fits?")
    ] = False


@app.command()
@command
async def retrieval(
    dataset: Annotated[Path, typer.Option(help="Folder with tools.jsonl and queries.jsonl.")],
    asked: Asked,
    profile: Annotated[str, typer.Option(help="hybrid, plain, mixed, whole, dense, bm25, rrf; toolshed.")] = "hybrid",
    *,
    shell: Shell,
) -> None:
    """Recall, NDCG and complete recall of search, in a temporary index with cached vectors."""
    from gateway.models import Embedders, open_models  # noqa: PLC0415 - the engines, which no other command has to load
    from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval  # noqa: PLC0415

    evaluation = RetrievalEvaluation(dataset, profile=profile, **asdict(asked))
    with progress() as bar:
        task = bar.add_task("Evaluating", total=None)

        def on_progress(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        embedder = await Embedders(shell.settings)(shell.settings.embedder)
        cache = shell.settings.data / "eval-cache"
        async with aclosing(await open_models(shell.settings)) as models:
            result = await evaluate_retrieval(evaluation, embedder, cache, on_progress, stages=models.searcher)
    if shell.as_json:
        print_json(result)
    else:
        _show(result)


def _show(result: dict[str, Any]) -> None:
    out.print(f"{result['dataset']}, split {result['split']}, profile {result['profile']}: {result['tools']} tools")
    metrics = [key for key in result if "@" in key]
    rows = [("all", result["queries"], *(f"{result[key]:.3f}" for key in metrics))]
    rows += [
        (name, subset["queries"], *(f"{subset[key]:.3f}" for key in metrics))
        for name, subset in result["subsets"].items()
    ]
    out.print(table("", "queries", *metrics, rows=rows, right=("queries", *metrics)))
    if "abstention_auroc" in result:
        shares = ", ".join(f"{key} {result[key]:.3f}" for key in ("abstention_auroc", "refused", "refused_rightly"))
        out.print(f"nothing fits: {shares}")
    out.print("latency " + "  ".join(f"{name} {value:.1f} ms" for name, value in result["latency_ms"].items()))
