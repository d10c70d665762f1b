"""A trained policy behind HTTP, in the rerank form that gateways and vLLM, TEI or Cohere speak."""
