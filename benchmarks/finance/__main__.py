"""The benchmark of ScaleMCP, regenerated: see docs/sync-benchmark.md.

python -m benchmarks.finance                  all of it: syncs, news, retrieval, and the table beside the paper's
python -m benchmarks.finance syncs            cold, warm, changed, removed
python -m benchmarks.finance news             how soon a change is found
python -m benchmarks.finance retrieval        Recall@10 and MAP@10 with 0, 5 and 10 questions for each tool
python -m benchmarks.finance idempotence      no write where nothing changed, no reader who sees half of a change
python -m benchmarks.finance dataset DIR      write the market as a data set folder
python -m benchmarks.finance serve            serve it, until ended
Each with [--servers 5000] [--seed 7]; results are kept at full size only.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.finance.catalogue import SEED, SERVERS, FinanceServer, finance_servers
from benchmarks.finance.dataset import write_dataset
from benchmarks.finance.dialogues import dialogues
from benchmarks.finance.idempotence import measure_idempotence
from benchmarks.finance.news import measure_news
from benchmarks.finance.retrieval import measure_retrieval, table
from benchmarks.finance.running import market
from benchmarks.finance.serving import serve
from benchmarks.finance.syncs import measure_syncs
from benchmarks.report import Promise, finish

Measured = tuple[list[Promise], dict[str, Any]]

FEW = 200
"""Servers that `idempotence` syncs again and again, unless it is told another number."""

ANNOUNCING = 100
"""Servers of the market that announce changes, for `news`."""

ROUNDS = 10
SYNCS = 100
LOOKS = 10_000

COMMANDS = ("all", "syncs", "news", "retrieval", "idempotence", "dataset", "serve")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="all")
    parser.add_argument("folder", nargs="?", type=Path, help="of the data set that `dataset` writes")
    parser.add_argument("--servers", type=int, help="of the market, company by company")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--announcing", type=int, default=0, help="`serve`: servers that announce changes")
    parser.add_argument("--port", type=int, default=0, help="`serve`: 0 takes a free one")
    asked = parser.parse_args()
    servers = finance_servers(asked.servers or (FEW if asked.command == "idempotence" else SERVERS), asked.seed)
    match asked.command:
        case "serve":
            serve(servers, announcing=asked.announcing, port=asked.port)
        case "dataset":
            if asked.folder is None:
                parser.error("dataset needs a folder to write")
            told = dialogues(servers, asked.seed)
            write_dataset(asked.folder, servers, told, asked.seed)
            print(f"{asked.folder}: {len(servers)} tools, {len(told)} dialogues of {len(told[0].turns)} turns")
        case command:
            promises, details = uvloop.run(_measure(command, servers, asked.seed))
            keep = len(servers) == SERVERS or command == "idempotence"
            finish("finance" if command == "all" else f"finance_{command}", promises, details, keep=keep)


async def _measure(command: str, servers: list[FinanceServer], seed: int) -> Measured:
    """What the command names, in one data folder: what follows begins with what was synced before."""
    promises: list[Promise] = []
    details: dict[str, Any] = {}
    announcing = min(ANNOUNCING, len(servers) // 2)
    rounds = min(ROUNDS, announcing)
    with _bar() as bar, tempfile.TemporaryDirectory(prefix="toolcrib-finance-") as place:
        folder = Path(place)
        if command in {"all", "syncs"}:
            async with market(servers, seed=seed) as running:
                _take(promises, details, "syncs", await measure_syncs(folder, running, bar))
        if command in {"all", "news"}:
            async with market(servers, announcing=announcing, seed=seed) as running:
                measured = await measure_news(folder, running, bar, announcing=announcing, rounds=rounds, polled=rounds)
                _take(promises, details, "news", measured)
        if command in {"all", "retrieval"}:
            measured = await measure_retrieval(folder / "retrieval", servers, dialogues(servers, seed), bar)
            _take(promises, details, "retrieval", measured)
        if command == "idempotence":
            async with market(servers, seed=seed) as running:
                measured = await measure_idempotence(folder, running, bar, syncs=SYNCS, looks=LOOKS)
                _take(promises, details, "idempotence", measured)
    if "retrieval" in details:
        print(table(details["retrieval"]["rows"]))
    return promises, details


def _take(promises: list[Promise], details: dict[str, Any], name: str, measured: Measured) -> None:
    promises += measured[0]
    details[name] = measured[1]


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


if __name__ == "__main__":
    main()
