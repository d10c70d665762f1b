"""What `tools/list` shows beside the meta-tools: in passthrough the whole catalogue where it is small, else nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from domain.identity import Principal
from domain.sessions import MemoryMode
from domain.tools import ToolState
from gateway.use_cases.catalogue import ServedTool
from gateway.wiring import Toolcrib

logger = logging.getLogger(__name__)


async def listed_beside(crib: Toolcrib, principal: Principal) -> tuple[Mapping[str, Any], ...]:
    """Definitions in order of their ids: the same for every session of the tenant, until the catalogue changes."""
    settings = crib.settings
    if settings.memory_mode is not MemoryMode.PASSTHROUGH:
        return ()
    limit, budget = settings.memory_limit, settings.memory_tokens
    page = await crib.store.catalogue.page(principal.tenant, state=ToolState.ACTIVE, limit=limit + 1)
    tools = [ServedTool.of(entry) for entry in page]
    if len(tools) > limit or (budget is not None and sum(tool.tokens for tool in tools) > budget):
        logger.warning(
            "Nothing is listed beside the meta-tools: the catalogue is larger than TOOLCRIB_MEMORY_LIMIT or "
            "TOOLCRIB_MEMORY_TOKENS allow; choose another TOOLCRIB_MEMORY_MODE or a higher limit."
        )
        return ()
    return tuple(tool.definition for tool in tools)
