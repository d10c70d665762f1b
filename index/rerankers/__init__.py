"""Rerankers behind the port `index.model_ports.Reranker`; the one behind a URL is `policy_client/http/rerank.py`."""
