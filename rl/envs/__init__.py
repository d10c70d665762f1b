"""The Tool-MDP: what an agent between a task and a tool room sees, what it may do, and what comes of it.

Actions are those of `policy_client.scorer_features`: answer, search, stop, call(i), remove(i). Behind them stands
`simulate`, a family of made-up tool rooms.
"""
