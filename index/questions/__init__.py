"""Questions that tools answer: made, cleaned of what is private, kept beside the tools, and weighed in a search.

Refuses to know: who asked, sessions, SQL. The store keeps them (`store/questions.py`), sync brings them here.
"""
