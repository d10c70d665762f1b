"""What the conformance suite asks a server to offer: tools, prompts, resources and the requests they make."""

from __future__ import annotations

from typing import Any

IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
AUDIO = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
WATCHED = "test://watched-resource"
TEMPLATE = "test://template/{id}/data"

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

UNKNOWN_KEYWORDS: dict[str, Any] = {
    "x-vendor": {"nested": [1, 2.5, None, True]},
    "icons": [{"src": "data:image/png;base64,AAAA", "mimeType": "image/png", "sizes": ["16x16"], "x-kept": 1}],
    "annotations": {"readOnlyHint": True, "x-risk": "low"},
    "_meta": {"com.example/origin": {"deep": ["kept"]}},
    "outputSchema": {"type": "object", "$defs": {"n": {"$anchor": "n", "type": "number"}}, "x-kept": "yes"},
}
"""What `lossless` carries beside its name and schema, in its definition: no model of the SDK knows all of it."""


def _tool(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        schema["required"] = list(properties)
    return {"name": name, "description": description, "inputSchema": schema}


_TEXT = {"type": "string"}
TOOLS: list[dict[str, Any]] = [
    _tool("test_simple_text", "Answer with a text."),
    _tool("test_image_content", "Answer with an image."),
    _tool("test_audio_content", "Answer with a sound."),
    _tool("test_embedded_resource", "Answer with an embedded resource."),
    _tool("test_multiple_content_types", "Answer with a text, an image and a resource."),
    _tool("test_structured", "Answer with structured content."),
    _tool("test_tool_with_logging", "Log three messages, then answer."),
    _tool("test_logging_tool", "Log one message, then answer."),
    _tool("test_tool_with_progress", "Report progress three times, then answer."),
    _tool("test_error_handling", "Answer that it failed."),
    _tool("test_sampling", "Ask the client's model.", prompt=_TEXT),
    _tool("test_roots", "Ask for the client's roots."),
    _tool("test_elicitation", "Ask the client's person.", message=_TEXT),
    _tool("test_elicitation_sep1034_defaults", "Ask with default values of every primitive type."),
    _tool("test_elicitation_sep1330_enums", "Ask with every kind of enum."),
    _tool("test_streaming_elicitation", "Ask for a confirmation."),
    _tool("test_reconnection", "Close the stream in the middle of the call, then answer."),
    _tool("test_missing_capability", "Needs sampling."),
    _tool("test_trigger_tool_change", "Announce a changed tool list."),
    _tool("test_trigger_prompt_change", "Announce a changed prompt list."),
    _tool("test_trigger_resource_update", "Announce a changed resource."),
    _tool("test_watched", "Say which resources are subscribed to in the handshake era's way."),
    _tool("test_wait", "Wait until it is cancelled.", label=_TEXT),
    _tool("test_was_cancelled", "Wait until `test_wait` of a label was cancelled.", label=_TEXT),
    _tool("test_headers", "Answer from a region.", region=_TEXT | {"x-mcp-header": "Region"}),
    {"name": "json_schema_2020_12_tool", "description": "A schema with its words.", "inputSchema": SCHEMA_2020_12},
    _tool("lossless", "Give the arguments, and words that no model knows, back."),
    *(
        _tool(f"test_input_required_result_{kind}", "Ask for input in the middle of the call.")
        for kind in (
            "elicitation", "sampling", "list_roots", "request_state", "multiple_inputs", "multi_round",
            "tampered_state", "capabilities",
        )
    ),
]  # fmt: skip

PROMPTS: list[dict[str, Any]] = [
    {"name": "test_simple_prompt", "description": "A prompt without arguments."},
    {
        "name": "test_prompt_with_arguments",
        "description": "A prompt with arguments.",
        "arguments": [{"name": "arg1", "required": True}, {"name": "arg2", "required": True}],
    },
    {
        "name": "test_prompt_with_embedded_resource",
        "description": "A prompt with a resource.",
        "arguments": [{"name": "resourceUri", "required": True}],
    },
    {"name": "test_prompt_with_image", "description": "A prompt with an image."},
    {"name": "test_input_required_result_prompt", "description": "A prompt that asks for its context."},
]

RESOURCES: list[dict[str, Any]] = [
    {"uri": "test://static-text", "name": "static-text", "description": "A text.", "mimeType": "text/plain"},
    {"uri": "test://static-binary", "name": "static-binary", "description": "An image.", "mimeType": "image/png"},
    {"uri": WATCHED, "name": "watched", "description": "A resource that changes.", "mimeType": "text/plain"},
]
TEMPLATES: list[dict[str, Any]] = [
    {"uriTemplate": TEMPLATE, "name": "template", "description": "Data by id.", "mimeType": "application/json"}
]


def elicit(message: str, properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """An elicitation request as it travels."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required is not None:
        schema["required"] = required
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sample(prompt: str, tokens: int = 100) -> dict[str, Any]:
    """A sampling request as it travels."""
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": tokens}}


ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}
NAME = elicit("What is your name?", {"name": {"type": "string"}}, ["name"])
CONFIRM = elicit("Please confirm", {"ok": {"type": "boolean"}}, ["ok"])
DEFAULTS = elicit(
    "Please check the values",
    {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    [],
)
_OPTIONS = ["option1", "option2", "option3"]
ENUMS = elicit(
    "Please choose",
    {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": f"value{n}", "title": title} for n, title in enumerate(("First", "Second", "Third"), 1)
            ],
        },
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [{"const": f"value{n}", "title": title} for n, title in enumerate(("First", "Second"), 1)]
            },
        },
    },
    [],
)


def text(value: str) -> dict[str, Any]:
    """A CallToolResult with one text."""
    return {"content": [{"type": "text", "text": value}]}


def embedded(uri: str, media: str, content: str) -> dict[str, Any]:
    """A resource as content."""
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media, "text": content}}


PICTURE: dict[str, Any] = {"type": "image", "data": IMAGE, "mimeType": "image/png"}
SOUND: dict[str, Any] = {"type": "audio", "data": AUDIO, "mimeType": "audio/wav"}
ANSWERS: dict[str, dict[str, Any]] = {
    "test_simple_text": text("This is a simple text response for testing."),
    "test_image_content": {"content": [PICTURE]},
    "test_audio_content": {"content": [SOUND]},
    "test_embedded_resource": {"content": [embedded("test://embedded-resource", "text/plain", "Embedded content.")]},
    "test_multiple_content_types": {
        "content": [
            {"type": "text", "text": "Several kinds of content:"},
            PICTURE,
            embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
        ]
    },
    "test_structured": {
        "content": [{"type": "text", "text": "{}"}],
        "structuredContent": {"city": "Rome", "unknown": [None, {"x": 1}]},
    },
    "test_error_handling": {**text("This tool fails on purpose."), "isError": True},
    "json_schema_2020_12_tool": text("ok"),
}
"""Tools that answer the same every time."""
