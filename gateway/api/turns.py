"""`/sessions/{id}/turns`: one turn of an agent loop, answered with the tools to bind."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import InvalidInput
from gateway.api.dependencies import Caller, Crib
from gateway.binding.forms import ToolForm
from gateway.turn_presenter import holding_json, turn_json
from gateway.wire_json import compact_json

router = APIRouter(tags=["sessions"])


class TurnBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    messages: list[str | dict[str, Any]] = Field(
        description="Texts, or messages with `content` as OpenAI and Anthropic write them; the newest last."
    )
    format: ToolForm | None = Field(default=None, description="Whose form the tools are bound in; default mcp.")
    defer: bool = Field(default=False, description="Mark the tools for deferred loading, where the form has it.")
    k: int | None = Field(default=None, strict=True, description="Tools per query of a workflow turn, 1 to 100.")


@router.post(
    "/sessions/{session_id}/turns", response_class=Response, responses={200: {"content": {"application/json": {}}}}
)
async def turn(
    session_id: str,
    body: TurnBody,
    crib: Crib,
    caller: Caller,
    tool_form: Annotated[ToolForm | None, Query(alias="format", description="As in the body.")] = None,
) -> Response:
    """Prune, search where the mode does, and answer with the tools of the next request to a model."""
    form = body.format or tool_form or ToolForm.MCP
    if body.defer:
        form.require_deferral()
    texts = [text for message in body.messages if (text := _text(message))]
    answer = turn_json(await crib.turns.run(caller, session_id, texts, body.k), form, defer=body.defer)
    return Response(compact_json(answer), media_type="application/json")


@router.get(
    "/sessions/{session_id}/tools", response_class=Response, responses={200: {"content": {"application/json": {}}}}
)
async def held(
    session_id: str,
    crib: Crib,
    caller: Caller,
    tool_form: Annotated[ToolForm, Query(alias="format")] = ToolForm.MCP,
    *,
    defer: bool = False,
) -> Response:
    """The tools to bind now, without a new turn: after a search of the agent's own."""
    answer = holding_json(await crib.turns.held(caller, session_id), tool_form, defer=defer)
    return Response(compact_json(answer), media_type="application/json")


def _text(message: str | dict[str, Any]) -> str:
    """What a message says in words; tool calls, results and pictures are no evidence of what is being talked about."""
    if isinstance(message, str):
        return message
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise InvalidInput("A message's `content` is a text or a list of blocks.")
    blocks = content if isinstance(content, list) else [{"text": content}]
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return " ".join(text for text in texts if isinstance(text, str)).strip()
