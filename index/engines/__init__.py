"""Vector engines behind the port `index.ports.Engine`: embedded (`edge`), remote (`remote`), and the fake (`memory`).

One suite, tests/contracts/test_engine_contract.py, runs over all three and wants the same answers.
"""
