#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""5,000 hostile connections of ten kinds at once, and 100 honest slaves that must not notice: `make check-hostile`.

usage: hostile-storm.py [--connections 5000] [--slaves 100] [--builds 1000]

The storm runs twice. What the daemon remembers of slaves that have been there once is no leak, so memory after the second
is compared with that after the first. Prints what was measured; fails when a honest slave is lost or a build is, when a
login takes a second, or when memory does not come back.
"""
import argparse
import asyncio
import collections
import hashlib
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import bbtest  # noqa: E402
from pbpeer import EMPTY, NONE, Incomplete, decode, encode, text  # noqa: E402

FLEET = os.path.join(bbtest.BUILDDIR, 'bench', 'bench-fleet')
AGAIN_S = 2  # a peer that was thrown out comes again
PACE_S = 5
GATHER_S = 120
MAX_LOGIN_S = 1.0
MAX_GROWTH = 1.05


class Peer(asyncio.Protocol):
    """One connection, which comes again when it is closed."""
    kind = ''

    def __init__(self, storm, number):
        self.storm, self.number, self.buffer = storm, number, bytearray()

    def connection_made(self, transport):
        self.transport = transport
        self.storm.open[self.kind] += 1
        self.begin()

    def connection_lost(self, _error):
        self.storm.open[self.kind] -= 1
        self.storm.closed[self.kind] += 1
        if not self.storm.over:
            self.storm.later(AGAIN_S, self.storm.connect, type(self), self.number)

    def data_received(self, data):
        self.buffer += data
        while True:
            try:
                message, end = decode(self.buffer)
            except Incomplete:
                return
            del self.buffer[:end]
            self.received(message)

    def send(self, *messages):
        self.transport.write(b''.join(map(encode, messages)))

    def later(self, seconds, func):
        self.storm.later(seconds, lambda: None if self.transport.is_closing() else func())

    def begin(self):
        pass

    def received(self, message):
        pass


class Silent(Peer):
    kind = 'says nothing'


class Slow(Peer):
    kind = 'sends a byte in 5 s'
    bytes = encode(b'pb') + encode([b'version', 6]) + encode([b'message', 1, b'root', b'login', 1, [b'tuple', b'w'], EMPTY])

    def begin(self, at=0):
        if at < len(self.bytes):
            self.transport.write(self.bytes[at:at + 1])
            self.later(PACE_S, lambda: self.begin(at + 1))


class Bomb(Peer):
    """Sends what ends its connection; not at once, so that many are there at any time."""

    def begin(self):
        self.later(1 + self.number % 20, lambda: self.transport.write(self.bytes))


class Garbage(Bomb):
    kind = 'sends garbage'
    bytes = hashlib.sha512(b'garbage').digest() * 8


class Oversize(Bomb):
    kind = 'announces 640 KiB'
    bytes = b'\x7f\x7f\x27\x82' + b'x' * 2000


class Deep(Bomb):
    kind = 'sends lists in lists'
    bytes = b'\x01\x80' * 1000


class Guesser(Peer):
    """Asks for a challenge and answers it at random."""
    name = b'nobody-%d'

    def begin(self):
        self.send(b'pb', [b'version', 6], [b'message', 1, b'root', b'login', 1, [b'tuple', self.get_name()], EMPTY])

    def get_name(self):
        return self.name % (self.number % 50)

    def get_response(self, _challenge):
        return b'0123456789abcdef'

    def received(self, message):
        if isinstance(message, list) and message[0] == b'answer' and message[1] == 1:
            self.send([b'message', 2, message[2][2][1], b'respond', 1,
                       [b'tuple', self.get_response(message[2][1]), [b'remote', 1]], EMPTY])


class Unknown(Guesser):
    kind = 'guesses names'


class Wrong(Guesser):
    kind = 'guesses passwords'
    name = b'mole-%05d'


class Mole(Guesser):
    """A slave that has logged in."""

    def get_name(self):
        return b'mole-%05d' % self.number

    def get_response(self, challenge):
        return hashlib.md5(hashlib.md5(b'mole').digest() + challenge).digest()

    def received(self, message):
        if not isinstance(message, list):
            return
        if message[0] == b'message':
            _, request, _, method, _, args, _ = message
            result = NONE
            if method == b'getWorkerInfo':
                result = [b'dictionary', [text('version'), text('3.7.0')], [text('worker_commands'), EMPTY]]
            elif method == b'setBuilderList':
                result = [b'dictionary', *([item[1], [b'remote', 2 + n]] for n, item in enumerate(args[1][1:]))]
            self.send([b'answer', request, result])
        elif message[0] == b'answer' and message[1] == 2:
            self.attack()
        else:
            super().received(message)

    def attack(self):
        pass


class Stranger(Mole):
    kind = 'calls what does not exist'

    def attack(self):
        self.send([b'message', 7, 9999, b'update', 1, [b'tuple', [b'list']], EMPTY], [b'decref', 12345], [b'answer', 999, NONE],
                  [b'message', 8, 2, b'remote_exec', 1, [b'tuple', [b'dereference', 5]], EMPTY] if self.number % 10 == 0 else
                  [b'message', 8, 2, b'remote_exec', 1, [b'tuple'], EMPTY])
        self.later(PACE_S, self.attack)


class Deaf(Mole):
    kind = 'does not read the answers'
    bytes = encode([b'message', 9, 2, b'keepalive', 1, [b'tuple'], EMPTY]) * 50

    def attack(self):
        if not self.transport.is_closing():
            self.transport.pause_reading()
        if self.transport.get_write_buffer_size() == 0:
            self.transport.write(self.bytes)
        self.later(PACE_S, self.attack)


class Stuck(Mole):
    kind = 'stops within a message'

    def attack(self):
        self.transport.write(b'\x7f\x7f\x27\x80' + encode(b'x' * 20000) + b'\x7f\x7f\x27\x82' + b'x' * 1000)


KINDS = (Silent, Slow, Garbage, Oversize, Deep, Unknown, Wrong, Stranger, Deaf, Stuck)


class Storm:
    def __init__(self, port, count):
        self.port, self.count = port, count
        self.open, self.closed = collections.Counter(), collections.Counter()
        self.fewest = count
        self.over = False

    def later(self, seconds, func, *args):
        asyncio.get_running_loop().call_later(seconds, func, *args)

    def connect(self, kind, number):
        asyncio.ensure_future(self._connect(kind, number))

    async def _connect(self, kind, number):
        # Of many addresses, as an attack from the network would be.
        source = '127.0.%d.%d' % (1 + number % 20, 1 + KINDS.index(kind))
        try:
            await asyncio.get_running_loop().create_connection(lambda: kind(self, number), '127.0.0.1', self.port,
                                                               local_addr=(source, 0))
        except OSError:
            if self.over:
                return
            self.later(AGAIN_S, self.connect, kind, number)

    async def run(self):
        # Some more than are wanted at once: those that are thrown out wait before they come again.
        for number in range(self.count * 5 // 4 // len(KINDS)):
            for index, kind in enumerate(KINDS):
                self.connect(kind, number + (index * 10000 if issubclass(kind, Mole) else 0))
            if number % 20 == 19:
                await asyncio.sleep(0.02)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        end = loop.time() + GATHER_S
        while sum(self.open.values()) < self.count and loop.time() < end:
            await asyncio.sleep(0.1)
        print(json.dumps({'raging': sum(self.open.values())}), flush=True)
        end = asyncio.ensure_future(reader.readline())
        while not end.done():
            self.fewest = min(self.fewest, sum(self.open.values()))
            await asyncio.sleep(0.2)
        self.over = True
        print(json.dumps({'fewest': self.fewest, 'kinds': {kind.kind: [self.open[kind.kind], self.closed[kind.kind]] for kind in KINDS}}),
              flush=True)


def mole_groups(count):
    per_kind = count * 5 // 4 // len(KINDS)
    return ''.join('[slave mole-{%05d..%05d}]\npassword=mole\nmissing_timeout=3600\n' % (index * 10000, index * 10000 + per_kind - 1)
                   for index, kind in enumerate(KINDS) if issubclass(kind, Mole)) \
        + '[slave mole-{00000..00049}]\npassword=other\nmissing_timeout=3600\n'


class Child:
    """A program that answers each line with one line of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=bbtest.program_environment())

    def read(self):
        return json.loads(self.process.stdout.readline())

    def order(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def rage(daemon, options):
    """A storm, and what 100 honest slaves get done within it."""
    storm = Child(sys.executable, os.path.abspath(__file__), '--storm', str(daemon.port), '--connections', str(options.connections))
    raging = storm.read()['raging']
    fleet = Child(FLEET, '--bus', daemon.bus.address, str(daemon.port), str(options.slaves))
    attached = fleet.order('attach')
    builds = fleet.order('submit any %d %d' % (options.builds, options.slaves))
    ended = storm.order('end')
    fleet.close()
    storm.close()
    bbtest.wait_until(lambda: not any(slave['attached'] for slave in daemon.json('slaves')), 'all to be gone', 120, 1)
    if raging < options.connections:
        raise SystemExit('only %d hostile connections came about on this machine' % raging)
    print('# %d hostile connections open when it began, at least %d until it ended' % (raging, ended['fewest']))
    for kind, (n_open, n_closed) in ended['kinds'].items():
        print('#   %-28s %5d open, %6d were closed' % (kind, n_open, n_closed))
    print('# %(attached)d honest slaves attached, %(lost)d lost' % attached)
    print('# their logins: median %.1f ms, slowest %.1f ms' % (attached['login_median_us'] / 1e3, attached['login_slowest_us'] / 1e3))
    print('# %d builds in %.1f s, %d refused' % (builds['builds'], builds['wall_s'], builds['refused']))
    return attached, builds


def settled_memory(daemon, at_most=None):
    """Memory when it has come down to @at_most, or does not change any more."""
    seen = []

    def settled():
        seen.append(bbtest.memory_kib(daemon.pid))
        return (at_most and seen[-1] <= at_most) or (len(seen) > 10 and max(seen[-8:]) - min(seen[-8:]) < 64)
    bbtest.wait_until(settled, 'memory to settle', 90, 1)
    return seen[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--connections', type=int, default=5000)
    parser.add_argument('--slaves', type=int, default=100)
    parser.add_argument('--builds', type=int, default=1000)
    parser.add_argument('--storm', type=int, metavar='PORT', help=argparse.SUPPRESS)
    options = parser.parse_args()
    bbtest.raise_file_limit(options.connections * 2)
    if options.storm:
        asyncio.run(Storm(options.storm, options.connections).run())
        return
    listener = '[listener pb]\nprotocol=pb\naddress=127.0.0.1\nport=0\n'
    daemon = bbtest.Daemon('[host]\nname=storm\n' + listener
                           + '[slave bot-{00001..%05d}]\npassword=bench\n' % options.slaves + mole_groups(options.connections)
                           + '[builder any]\nslavenames=bot-*;\nsteps=one;\n[step one]\ncommand=bench %(prop:bench_id)s 1000\n')
    failures = []
    try:
        daemon.start()
        rage(daemon, options)
        before = settled_memory(daemon)
        attached, builds = rage(daemon, options)
        after = settled_memory(daemon, before * MAX_GROWTH)
        print('# memory: %.1f MiB before, %.1f MiB after (%+.1f %%)' % (before / 1024, after / 1024, (after / before - 1) * 100))
        if attached['attached'] != options.slaves or attached['lost']:
            failures.append('honest slaves were lost')
        if builds['refused'] or builds['builds'] != options.builds:
            failures.append('builds were refused')
        if attached['login_slowest_us'] > MAX_LOGIN_S * 1e6:
            failures.append('a honest login took longer than %g s' % MAX_LOGIN_S)
        if after > before * MAX_GROWTH:
            failures.append('memory did not come back')
        if daemon.process.poll() is not None:
            failures.append('the daemon has ended')
    finally:
        daemon.close()
    for failure in failures:
        print('# ' + failure)
    print('%s 1 - A7: %d hostile connections of ten kinds, %d honest slaves at work' % (
        'not ok' if failures else 'ok', options.connections, options.slaves))
    sys.exit(bool(failures))


main()
