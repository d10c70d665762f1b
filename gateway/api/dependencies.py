"""What a route may ask for: the open Toolcrib and the verified principal."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from domain.identity import LOCAL, Principal
from gateway.wiring import Toolcrib


def _crib(request: Request) -> Toolcrib:
    crib: Toolcrib = request.app.state.crib
    return crib


def _principal() -> Principal:
    # Keys and roles are an issue of their own; the server listens on loopback only until then.
    return LOCAL


Crib = Annotated[Toolcrib, Depends(_crib)]
Caller = Annotated[Principal, Depends(_principal)]
