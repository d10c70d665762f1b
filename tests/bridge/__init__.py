"""The era bridge: every client era before every kind of upstream, feature by feature."""
