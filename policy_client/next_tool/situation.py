"""What is known when the next tool is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ToolTable:
    """The tools that can be next, by number. `vectors`: shape (tools, dimension), unit rows; `servers`: shape (tools,),
    equal numbers for tools of one server.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    servers: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Situation:
    """`query`: unit vector of what the user said last, shape (dimension,), zeros where nothing is known; `retrieval`:
    what search gave each tool for it, shape (tools,), 0 to about 1; `history`: numbers of the tools called before.
    """

    query: Vectors
    retrieval: Vectors
    history: tuple[int, ...] = ()
    is_new: bool = False  # whether the user has spoken since the last call


@dataclass(frozen=True, slots=True)
class Example:
    """A situation and the tool that was then called."""

    situation: Situation
    tool: int


Sessions = Sequence[Sequence[Example]]
