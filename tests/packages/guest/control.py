# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in check-systemd.py's machine, as root: one command of a shell after the other, each a line of JSON on a serial port of
virtio's; so are the answers. The first line tells which start of the machine this is."""
import glob
import json
import os
import subprocess


def read(path):
    with open(path) as f:
        return f.read().strip()


def find_port():
    for path in glob.glob('/sys/class/virtio-ports/*/name'):
        if read(path) == 'control':
            return '/dev/' + os.path.basename(os.path.dirname(path))
    raise SystemExit('there is no port to be controlled by')


def perform(request):
    try:
        done = subprocess.run(['/bin/sh', '-c', request['command']], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=request['timeout'], start_new_session=True)
        return dict(returncode=done.returncode, stdout=done.stdout.decode(errors='replace'))
    except subprocess.TimeoutExpired as late:
        return dict(returncode=-1, stdout=(late.stdout or b'').decode(errors='replace') + '\n(still running)\n')


def main():
    with open(find_port(), 'r+b', buffering=0) as port:
        def tell(message):
            data = json.dumps(message).encode() + b'\n'
            while data:
                data = data[port.write(data):]
        tell(dict(boot=read('/proc/sys/kernel/random/boot_id')))
        for line in iter(port.readline, b''):
            tell(perform(json.loads(line)))


main()
