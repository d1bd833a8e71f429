#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page about substantiation says what the table says."""
import os
import subprocess
import sys

source = os.environ["BB_SRCDIR"]
result = subprocess.run([sys.executable, os.path.join(source, "doc/make-substantiation.py"), "--check", source],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
print("1..1")
for line in result.stdout.splitlines():
    print(f"# {line}")
print(("ok" if result.returncode == 0 else "not ok") + " 1 - /substantiation/page/follows-the-table")
