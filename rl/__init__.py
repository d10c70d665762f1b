"""Training and evaluation of policies, offline. Reads exported trajectories and the public ports of `index`.

The only room that may import torch, transformers or trl. Refuses to know: the production store, servers and sync.
"""
