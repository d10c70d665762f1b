"""Breaker, bulkhead, retries, single flight: how one bad server is kept from harming the others."""
