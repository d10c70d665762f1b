"""The record of truth: the only room that knows SQLAlchemy. SQLite by default, PostgreSQL by URL.

Refuses to know: vectors' meaning, MCP, HTTP. Domain values go in and come out; rows stay inside.
"""
