"""A learnt retrieval adapter: what tools were chosen for in the past, and whether that went well, changes their order.

`rl/adapter` fits it on logged decisions; `stage.py` serves it around any searcher. Numpy only.
"""
