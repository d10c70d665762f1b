"""Our side of the upstream MCP servers: the only MCP client code. One owner task per connection.

Refuses to know: the database, the index, who asks and why.
"""
