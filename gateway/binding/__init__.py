"""Tools in the forms that model providers take them in, with names and schemas that each of them accepts.

Refuses to know: sessions, the store, who asks. Results go the other way untouched: an agent loop calls a bound tool by
the name it was bound under.
"""
