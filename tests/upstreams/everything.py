"""The upstream of tests/conformance under the name by which the helpers of this folder start one."""

from __future__ import annotations

from tests.conformance.upstream import main

if __name__ == "__main__":
    main()
