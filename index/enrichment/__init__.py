"""Questions that a language model writes for tools: asked for, cleaned and counted here.

Refuses to know: which model (index.model_ports.ChatModel), where questions are kept, who has them written.
"""
