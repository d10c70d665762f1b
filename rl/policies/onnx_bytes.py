"""An exported model without what the exporter notes of its making: paths and lines on the machine that made it."""

from __future__ import annotations

from typing import Any


def bytes_of(model: Any) -> bytes:
    """`model`: an `onnx.ModelProto`, of which everything that is computed stays."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    return bytes(model.SerializeToString())
