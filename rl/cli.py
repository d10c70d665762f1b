"""The commands that this room adds to `toolcrib rl` (entry point `toolcrib.commands`).

Every start of the command line loads this file, so it imports what a command needs when it runs.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput

app = typer.Typer()


def require_extra() -> None:
    """Raises InvalidInput where the parts that only training needs are not installed."""
    missing = [name for name in ("torch", "onnxscript", "tensorboard", "transformers") if find_spec(name) is None]
    if missing:
        raise InvalidInput(f"Training needs {', '.join(missing)}; install the extra: pip install 'toolcrib[rl]'.")


Log = Annotated[Path, typer.Option("--log", help="File that `toolcrib rl export` wrote.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]


@app.command()
def evaluate(
    log: Log,
    target: Annotated[str, typer.Option("--policy", help="greedy, uniform, or softmax:TEMPERATURE over the scores.")],
    floor: Annotated[float, typer.Option(help="Least effective sample size.")] = 100.0,
    mixed: Annotated[bool, typer.Option("--mixed", help="Take steps of several index versions together.")] = False,  # noqa: FBT002
    near: Annotated[bool, typer.Option("--near", help="Embed the queries: better, 10 ms a query.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")] = False,  # noqa: FBT002
) -> None:
    """What a policy would have earned on logged decisions (seven estimates, with intervals), without running it."""
    from rl.ope.command import evaluate_log, show  # noqa: PLC0415 - numpy, which no other command has to load

    show(evaluate_log(log, target, floor=floor, mixed=mixed, near=near), as_json=as_json)


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the policy.")],
    log: Annotated[
        Path | None, typer.Option("--log", help="What `toolcrib rl export` wrote; none: simulated rooms.")
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", help="scorer, of numbers, or text, of what tools say of themselves.")
    ] = "scorer",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, e.g. epochs=8, reward=hdpo; docs/rl names them.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the checkpoint in the folder.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")] = False,  # noqa: FBT002
) -> None:
    """Train a policy on a log, or the scorer in simulated tool rooms, and keep it as ONNX with a manifest."""
    if policy not in {"scorer", "text"}:
        raise InvalidInput(f"No policy is called {policy!r}; it is scorer or text.")
    require_extra()
    from rl.training.command import show, train_in_rooms, train_on_log  # noqa: PLC0415 - torch
    from rl.training.text_command import train_text_on_log  # noqa: PLC0415 - torch

    if policy == "text" and log is None:
        raise InvalidInput("The text policy is trained on a log: name what `toolcrib rl export` wrote with --log.")
    if policy == "text" and log is not None:
        manifest = train_text_on_log(log, out, settings or [], resume=resume)
    elif log is None:
        manifest = train_in_rooms(out, settings or [], resume=resume)
    else:
        manifest = train_on_log(log, out, settings or [], resume=resume)
    show(manifest, out, as_json=as_json)


@app.command()
def dataset(
    log: Log,
    out: Out,
    form: Annotated[str, typer.Option(help="sft, dpo, grpo, transitions, graph, cases or tools.")],
    catalogue: Annotated[Path | None, typer.Option(help="Folder with tools.jsonl, for the tools' texts.")] = None,
) -> None:
    """Write rows for a trainer: conversations, pairs, prompts, transitions, the tool graph, cases, statistics."""
    from rl.exports.command import write_dataset  # noqa: PLC0415 - numpy and the readers

    typer.echo(f"{write_dataset(log, form, catalogue, out)} rows in {out}.", err=True)


@app.command()
def convert(
    folder: Annotated[Path, typer.Option("--dataset", resolve_path=True, help="Folder in the data set form.")],
    out: Out,
    split: Annotated[str, typer.Option(help="Every split whose name begins so.")] = "train",
) -> None:
    """Write a data set's sessions or labelled queries in the form of an export."""
    from rl.exports.command import write_converted  # noqa: PLC0415 - numpy and the readers

    typer.echo(f"{write_converted(folder, split, out)} steps in {out}.", err=True)


@app.command()
def adapt(
    log: Log,
    out: Annotated[Path, typer.Option("--out", help="Folder of the adapter.")],
    mixed: Annotated[bool, typer.Option("--mixed", help="Take steps of several index versions together.")] = False,  # noqa: FBT002
) -> None:
    """Train the retrieval adapter on a log's judged choices."""
    from rl.exports.command import train_adapter  # noqa: PLC0415 - numpy and the embedder

    typer.echo(f"An adapter of {train_adapter(log, out, mixed=mixed)} decisions in {out}.", err=True)


@app.command()
def serve(
    policy: Annotated[Path, typer.Option("--policy", help="Folder that `toolcrib rl train` made.")],
    device: Annotated[str, typer.Option(help="cpu, or cuda for a text policy on a GPU.")] = "cpu",
    host: Annotated[str, typer.Option(help="Address to listen on; the server has no keys of its own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8421,
    batch: Annotated[int, typer.Option(help="Most requests scored together.", min=1)] = 64,
) -> None:
    """Serve a policy in the rerank form; gateways find it by TOOLCRIB_POLICY_URL."""
    require_extra()
    import uvicorn  # noqa: PLC0415 - what no other command has to load

    from rl.serving.app import make_app  # noqa: PLC0415
    from rl.serving.runners import open_runner, served_version  # noqa: PLC0415 - torch

    runner = open_runner(policy, device)
    typer.echo(f"{served_version(runner)} at http://{host}:{port}/rerank, on {device}.", err=True)
    uvicorn.run(make_app(runner, most=batch), host=host, port=port, log_level="warning", access_log=False)
