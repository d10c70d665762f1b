"""Texts to unit vectors. Each runtime is one module behind the port `index.ports.Embedder`; the fake is `fake.py`.

Nothing here reaches the network at import or at embedding time.
"""
