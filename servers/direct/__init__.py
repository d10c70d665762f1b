"""The short way of plain calls to servers of the current revision: HTTP and JSON-RPC with nothing in between."""
