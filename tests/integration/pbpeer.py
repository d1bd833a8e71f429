# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scripted peer that speaks the slave's side of Perspective Broker, well or badly as the test wants it.

Sequences stand for Banana lists, bytes for strings, int and float for numbers. A word of the vocabulary is sent as a
plain string, which every receiver must take; those that come in are expanded.
"""
import hashlib
import socket
import struct
import threading

VOCABULARY = [None] + b"""None class dereference reference dictionary function instance list module persistent tuple
unpersistable copy cache cached remote local lcache version login password challenge logged_in not_logged_in
cachemessage message answer error decref decache uncache""".split()

LIST, INT, STRING, NEG, FLOAT, LONGINT, LONGNEG, VOCAB = range(0x80, 0x88)


def _digits(number):
    out = bytearray()
    while True:
        out.append(number & 0x7f)
        number >>= 7
        if not number:
            return bytes(out)


def encode(value):
    if isinstance(value, (list, tuple)):
        return _digits(len(value)) + bytes([LIST]) + b''.join(map(encode, value))
    if isinstance(value, bytes):
        return _digits(len(value)) + bytes([STRING]) + value
    if isinstance(value, float):
        return bytes([FLOAT]) + struct.pack('!d', value)
    if value >= 0:
        return _digits(value) + bytes([INT if value < 2**31 else LONGINT])
    return _digits(-value) + bytes([NEG if value >= -2**31 else LONGNEG])


class Incomplete(Exception):
    pass


def decode(data, at=0):
    """The expression that begins at @at, and where it ends."""
    number = shift = 0
    while True:
        if at >= len(data):
            raise Incomplete
        byte = data[at]
        at += 1
        if byte & 0x80:
            break
        number |= byte << shift
        shift += 7
    if byte == LIST:
        items = []
        for _ in range(number):
            item, at = decode(data, at)
            items.append(item)
        return items, at
    if byte in (STRING, FLOAT):
        length = 8 if byte == FLOAT else number
        if at + length > len(data):
            raise Incomplete
        body = bytes(data[at:at + length])
        return (struct.unpack('!d', body)[0] if byte == FLOAT else body), at + length
    if byte in (NEG, LONGNEG):
        return -number, at
    if byte == VOCAB:
        return VOCABULARY[number], at
    return number, at


def text(value):
    return [b'unicode', value.encode()]


def plain(value):
    """Jelly to Python, as far as a master sends it."""
    if not isinstance(value, list):
        return value
    tag, rest = value[0], value[1:]
    if tag == b'unicode':
        return rest[0].decode()
    if tag in (b'list', b'tuple'):
        return [plain(item) for item in rest]
    if tag == b'dictionary':
        return {plain(key): plain(item) for key, item in rest}
    if tag == b'boolean':
        return rest[0] == b'true'
    if tag == b'None':
        return None
    if tag == b'remote':
        return Remote(rest[0])
    return value


class Remote(int):
    """A number of an object that lives at the master."""


NONE = [b'None']
EMPTY = [b'dictionary']


class Refused(Exception):
    pass


class Slave:
    """Logs in and answers as a worker does; what it should not answer is in silent (method names)."""

    def __init__(self, port, name, password, silent=(), timeout=30):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout)
        self.name, self.password, self.silent = name, password, set(silent)
        self.buffer = bytearray()
        self.requests = 0
        self.answers = {}
        self.builders = {}
        self.commands = []  # (builder, command object, id, name, arguments)
        self.calls = []     # method names in the order in which they came
        self.changed = threading.Condition()
        self.closed = False
        self.thread = None

    # --- bytes

    def send(self, *values):
        self.socket.sendall(b''.join(map(encode, values)))

    def receive(self):
        while True:
            try:
                value, end = decode(self.buffer)
                del self.buffer[:end]
                return value
            except Incomplete:
                more = self.socket.recv(65536)
                if not more:
                    raise EOFError
                self.buffer += more

    # --- the login

    def greet(self):
        dialects = self.receive()
        assert b'pb' in dialects, dialects
        self.send(b'pb', [b'version', 6])
        assert self.receive() == [b'version', 6]

    def _call_early(self, target, method, *arguments):
        self.requests += 1
        self.send([b'message', self.requests, target, method, 1, [b'tuple', *arguments], EMPTY])
        while True:
            message = self.receive()
            if message[0] in (b'answer', b'error') and message[1] == self.requests:
                if message[0] == b'error':
                    raise Refused(message[2])
                return message[2]
            self._dispatch(message)

    def login(self):
        self.greet()
        answer = self._call_early(b'root', b'login', self.name.encode())
        challenge, challenger = answer[1], answer[2][1]
        response = hashlib.md5(hashlib.md5(self.password.encode()).digest() + challenge).digest()
        self.perspective = self._call_early(challenger, b'respond', response, [b'remote', 1])[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def _serve(self):
        try:
            self.socket.settimeout(None)
            while True:
                self._dispatch(self.receive())
        except (EOFError, OSError):
            pass
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    # --- what the master calls

    def _dispatch(self, message):
        with self.changed:
            if message[0] in (b'answer', b'error'):
                self.answers[message[1]] = message
            elif message[0] == b'message':
                self._called(*message[1:])
            self.changed.notify_all()

    def _called(self, request, target, method, want, arguments, _keywords):
        name = method.decode()
        self.calls.append(name)
        if name in self.silent:
            return
        arguments = plain(arguments)
        result = NONE
        if name == 'getWorkerInfo':
            result = self.info()
        elif name == 'setBuilderList':
            result = [b'dictionary']
            for builder, _directory in arguments[0]:
                number = self.builders.setdefault(builder, len(self.builders) + 2)
                result.append([text(builder), [b'remote', number]])
        elif name == 'startCommand':
            self.commands.append((target, *arguments))
        if want:
            self.send([b'answer', request, result])

    def info(self):
        commands = ('shell', 'uploadFile', 'uploadDirectory', 'downloadFile', 'mkdir', 'rmdir', 'cpdir', 'stat', 'glob',
                    'listdir', 'rmfile')
        return [b'dictionary', [text('system'), text('posix')], [text('basedir'), text('/nowhere')],
                [text('version'), text('3.7.0')],
                [text('worker_commands'), [b'dictionary', *([text(name), text('3.1')] for name in commands)]]]

    # --- what the test calls

    def call(self, target, method, *arguments, wait=False):
        with self.changed:
            self.requests += 1
            request = self.requests
        self.send([b'message', request, target, method, 1, [b'tuple', *arguments], EMPTY])
        if wait:
            self.wait(lambda: request in self.answers, 'an answer to %s' % method)
            return self.answers[request]
        return None

    def update(self, command, key, value):
        self.call(command, b'update', [b'list', [b'list', [b'dictionary', [text(key), value]], 0]])

    def complete(self, command, rc=0):
        self.update(command, 'rc', rc)
        self.call(command, b'complete', NONE)

    def wait(self, condition, what, timeout=60):
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise AssertionError('gave up waiting for ' + what)

    def wait_command(self, count=1):
        self.wait(lambda: len(self.commands) >= count, '%d commands' % count)
        return self.commands[count - 1]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread:
            self.thread.join(10)
        self.socket.close()
