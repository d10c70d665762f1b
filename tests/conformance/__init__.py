"""The official conformance suite, run against our reference upstream, through the gateway, and against our client."""
