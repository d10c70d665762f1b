"""Crashes, failovers and missing parts on purpose: recipes R3, R13-R18 and R22, each a promise with a number."""
