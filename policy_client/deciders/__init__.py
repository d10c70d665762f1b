"""Who takes a decision: a policy in this process, a reranker or a language model behind a URL.

One port, three back-ends, and the fake that shares their contract tests.
"""
