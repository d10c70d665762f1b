"""Which tool a session will want next, from how sessions went on before. Numpy only, with or without statistics.

Refuses to know: embedders, the index, where sessions come from. Vectors and scores are handed in.
"""
