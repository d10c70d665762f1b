"""The benchmark of ScaleMCP, regenerated: see docs/sync-benchmark.md.

python -m benchmarks.finance dataset DIR [--servers 5000] [--seed 7]     write the market as a data set folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.finance.catalogue import SEED, SERVERS, finance_servers
from benchmarks.finance.dataset import write_dataset
from benchmarks.finance.dialogues import dialogues


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    market = argparse.ArgumentParser(add_help=False)
    market.add_argument("--servers", type=int, default=SERVERS, help="of the market, company by company")
    market.add_argument("--seed", type=int, default=SEED)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("dataset", parents=[market], help="write the market as a data set folder")
    writing.add_argument("folder", type=Path)
    asked = parser.parse_args()
    servers = finance_servers(asked.servers, asked.seed)
    told = dialogues(servers, asked.seed)
    write_dataset(asked.folder, servers, told, asked.seed)
    print(f"{asked.folder}: {len(servers)} tools, {len(told)} dialogues of {len(told[0].turns)} turns")


if __name__ == "__main__":
    main()
