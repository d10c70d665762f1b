"""The OAuth 2.1 client for upstream servers: discovery, registration, authorization by a person, refresh, step-up.

Built on the SDK's parsers and checks (`mcp.client.auth.utils`, `mcp.shared.auth`). Its provider is not used: it waits
for the person inside the request, follows addresses unguarded, and keeps state and verifier in a stack frame.
"""
