"""Stands where ansible-test keeps its download of get-pip. Python's own ensurepip does it with no other server."""

from __future__ import annotations

import ensurepip

if __name__ == "__main__":
    ensurepip.bootstrap()
