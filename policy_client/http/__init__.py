"""Models behind a URL: chat with structured answers, embeddings, reranking. One client for whoever asks a model.

Refuses to know: what is asked for, tools, the index, training. Every failure is a `ModelUnavailable`; its refinements
are in `failures.py`. The rooms that need a model define a port; `gateway/` gives them these.
"""
