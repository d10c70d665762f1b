"""Pure values and rules: tools, servers, sessions and tool memory, candidates, events, the error tree.

Refuses to know: databases, networks, the MCP SDK, vector engines, files, the clock of anybody else.
Standard library only; every other room may import from here, this one imports from none.
"""
