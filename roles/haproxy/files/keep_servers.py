#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write down what HAProxy knows of its servers, for the HAProxy that a reload starts.

Without it the new one takes every server for up until it has checked it, half a second in which a replica may be taken
for the primary; and it forgets which servers were drained. haproxy.service runs this before each reload.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def main(control: str, file: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(control)
        connection.sendall(b"show servers state\n")
        state = b"".join(iter(lambda: connection.recv(65536), b""))
    written = Path(f"{file}.new")
    written.write_bytes(state)
    written.rename(file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
