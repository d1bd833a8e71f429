# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that are many, slow, silent, wrong or hostile, and one that sends a very large log."""
import asyncio
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import pbpeer  # noqa: E402
from bbtest import memory_kib, wait_until  # noqa: E402

CONFIG = '''
[slave bot]
password=passw0rd
[slave real]
password=passw0rd
[slave frozen]
password=passw0rd
keepalive_interval=1
[slave often]
password=passw0rd
keepalive_interval=1
[slave crowd-{0001..1000}]
password=passw0rd
[builder any]
slavenames=bot;real;
steps=echo;
[builder frozen]
slavenames=frozen;
steps=hold;
[step echo]
command=echo done
[step hold]
command=sleep 600
'''


def garbage(seed):
    """Ways not to speak PB; what comes after the greeting, and how it ends."""
    chance = random.Random(seed)
    e = pbpeer.encode
    hello = e(b'pb') + e([b'version', 6])
    deep = bytes([1, pbpeer.LIST]) * 2000
    kinds = [
        lambda: chance.randbytes(200),
        lambda: b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
        lambda: b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + chance.randbytes(100),
        lambda: b'SSH-2.0-OpenSSH_9.2\r\n',
        lambda: hello + deep,
        lambda: hello + b'\x7f' * 65 + b'\x82',
        lambda: hello + b'\x7f\x7f\x7f\x7f\x7f\x7f\x82' + b'x' * 3000,
        lambda: hello + b'\x7f\x7f\x27\x80' + b'\x00\x80' * 1000,
        lambda: hello + b'\x7f\x7f\x7f\x7f\x07\x80',
        lambda: hello + bytes([99, pbpeer.VOCAB]),
        lambda: hello + b'\x05\x9f',
        lambda: hello + e([b'message', 1, b'root', b'login', 1, [b'tuple', [b'list', b'bot']], pbpeer.EMPTY]),
        lambda: hello + e([b'message', 1, b'root', b'login', 1, [b'tuple', b'x' * 5000], pbpeer.EMPTY]),
        lambda: hello + e([b'message', 1, b'root', b'loginAnonymous', 1, [b'tuple'], pbpeer.EMPTY]),
        lambda: hello + e([b'message', 1, 7, b'respond', 1, [b'tuple', b'x' * 16], pbpeer.EMPTY]),
        lambda: hello + e([b'message', 1, b'root', b'startCommand', 1, [b'tuple'], pbpeer.EMPTY]),
        lambda: hello + e([b'answer', 2**62, [b'None']]) + e([b'decref', -1]) + e([b'nonsense', 1]),
        lambda: hello + e([]) + e(5) + e(b'text'),
        lambda: hello + e([b'message', 1]) + e([b'message', b'a', [], [], b'', [], []]),
        lambda: e(b'klingon'),
        lambda: e([b'version', 7]) * 3,
        lambda: hello + e([b'version', 5]),
    ]
    return kinds[seed % len(kinds)]()


class Peers(bbtest.Case):
    @classmethod
    def setUpClass(cls):
        bbtest.raise_file_limit(4096)
        cls.start_class_daemon(CONFIG + bbtest.Daemon.listener(None))
        cls.bot = pbpeer.Slave(cls.daemon.port, 'bot', 'passw0rd').login()
        cls.real = cls.frozen = None
        if bbtest.Worker.PROGRAMS['3']:
            cls.real = cls.start_class_worker('real', 'passw0rd', cls.daemon.port)
            cls.frozen = cls.start_class_worker('frozen', 'passw0rd', cls.daemon.port)
            cls.daemon.wait_attached('real', 'frozen')
            # It stands still from now on; the last test looks at what has become of it.
            cls.lost_build = cls.daemon.submit('frozen')
            cls.daemon.wait_build(cls.lost_build, state='running')
            cls.frozen.process.send_signal(signal.SIGSTOP)
            cls.frozen_at = time.monotonic()

    def command(self):
        """Starts a command on the scripted slave: its build, and the object to report to."""
        count = len(self.bot.commands)
        build = self.daemon.submit('any', '--slave', 'bot')
        self.bot.wait_command(count + 1)
        return build, self.bot.commands[count][1]

    def assert_works(self):
        """A build over the scripted slave, from end to end."""
        build, command = self.command()
        self.bot.update(command, 'stdout', pbpeer.text('all is well\n'))
        self.bot.complete(command)
        self.daemon.wait_build(build, state='finished', result='success')

    # --- well-behaved, but unlike a worker of today

    def test_01_output_after_rc(self):
        """rc is not the end: what comes between it and complete is in the log"""
        build, command = self.command()
        self.bot.update(command, 'stdout', pbpeer.text('early\n'))
        self.bot.update(command, 'rc', 0)
        self.bot.update(command, 'elapsed', 0.5)
        self.bot.update(command, 'stdout', pbpeer.text('late\n'))
        self.bot.call(command, b'complete', pbpeer.NONE)
        self.daemon.wait_build(build, state='finished', result='success')
        self.assertIn('early\nlate\n', self.daemon.bbctl('log', build).stdout)

    def test_02_failure_in_complete(self):
        """a failure in complete counts even when rc is 0"""
        build, command = self.command()
        self.bot.update(command, 'rc', 0)
        failure = [b'twisted.spread.pb.CopyableFailure',
                   [b'dictionary', [pbpeer.text('type'), b'builtins.OSError'],
                    [pbpeer.text('value'), pbpeer.text('disk on fire')]]]
        self.bot.call(command, b'complete', failure)
        finished = self.daemon.wait_build(build, state='finished')
        self.assertIn(finished['result'], ('exception', 'failure'))

    def test_03_no_rc(self):
        """complete without rc is not a success"""
        build, command = self.command()
        self.bot.call(command, b'complete', pbpeer.NONE)
        self.assertNotEqual(self.daemon.wait_build(build, state='finished')['result'], 'success')

    def test_04_bare_strings(self):
        """text as Python 2 sends it: bare strings, in any encoding"""
        build, command = self.command()
        self.bot.call(command, b'update', [b'list', [b'list', [b'dictionary', [b'stdout', b'caf\xe9 \xff\n']], 0]])
        self.bot.call(command, b'update', [b'list', [b'list', [b'dictionary', [b'rc', 0]], 0]])
        self.bot.call(command, b'complete', pbpeer.NONE)
        self.daemon.wait_build(build, state='finished', result='success')
        self.assertIn('caf', self.daemon.bbctl('log', build).stdout)

    def test_05_keepalive(self):
        """K1, K5: keepalives go to the slave at their interval; the slave's own are answered"""
        slave = pbpeer.Slave(self.daemon.port, 'often', 'passw0rd').login()
        try:
            self.assertEqual(slave.call(slave.perspective, b'keepalive', wait=True)[0], b'answer')
            slave.wait(lambda: slave.calls.count('print') >= 3, 'three keepalives', 30)
            self.assertTrue(self.daemon.slave('often')['attached'])
        finally:
            slave.close()
        self.daemon.wait_slave('often', attached=False)

    def test_06_lost_in_mid_command(self):
        """S7: the connection ends in mid-command: retry, and it runs again after the next login"""
        build, _ = self.command()
        self.bot.close()
        wait_until(lambda: self.daemon.builds()[build]['result'] == 'retry'
                   or self.daemon.builds()[build]['slave'] == 'real', 'the build to be given back')
        type(self).bot = pbpeer.Slave(self.daemon.port, 'bot', 'passw0rd').login()
        self.bot.wait_command(1)
        self.bot.complete(self.bot.commands[0][1])
        wait_until(lambda: not [b for b in self.daemon.builds().values()
                                if b['builder'] == 'any' and b['state'] != 'finished'], 'the build to end')

    def test_07_duplicate(self):
        """A3: the first one answers, so the second is refused as a duplicate; the first works on"""
        second = pbpeer.Slave(self.daemon.port, 'bot', 'passw0rd')
        with self.assertRaises((pbpeer.Refused, EOFError, ConnectionError)) as refusal:
            second.login()
        if isinstance(refusal.exception, pbpeer.Refused):
            self.assertIn('duplicate', str(refusal.exception))
        second.close()
        self.assert_works()

    def test_08_refusals_look_alike(self):
        """A1: unknown name and wrong password look the same from outside"""
        answers = []
        for name, password in (('bot', 'wrong'), ('nobody-here', 'wrong')):
            peer = pbpeer.Slave(self.daemon.port, name, password)
            with self.assertRaises(pbpeer.Refused) as refusal:
                peer.login()
            answers.append(refusal.exception.args[0])
            peer.close()
        self.assertEqual(answers[0], answers[1])
        self.assertIn('UnauthorizedLogin', str(answers[0]))
        self.daemon.wait_log('nobody-here')

    # --- hostile

    def test_10_never_log_in(self):
        """A2: 2,000 connections that never log in: attached slaves work on, memory comes back"""
        self.assert_works()
        before = memory_kib(self.daemon.pid)
        connections = []
        try:
            for _ in range(2000):
                connections.append(socket.create_connection(('127.0.0.1', self.daemon.port), 30))
            began = time.monotonic()
            self.assert_works()
            self.assertLess(time.monotonic() - began, 10)
            during = memory_kib(self.daemon.pid)
        finally:
            for connection in connections:
                connection.close()
        self.assert_works()
        if not bbtest.is_sanitized():
            self.assertLess(during - before, 32 * 1024)
            wait_until(lambda: memory_kib(self.daemon.pid) - before < 2048,
                       lambda: 'memory to come back: %d KiB before, %d KiB now' % (before, memory_kib(self.daemon.pid)),
                       20)

    def test_11_garbage(self):
        """A7: 2,000 connections that send garbage: each is closed, attached slaves do not notice, memory comes back"""
        before = memory_kib(self.daemon.pid)
        closed = 0
        for first in range(0, 2000, 100):
            connections = []
            for seed in range(first, first + 100):
                connection = socket.create_connection(('127.0.0.1', self.daemon.port), 30)
                connections.append(connection)
                try:
                    connection.sendall(garbage(seed))
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            for connection in connections:
                try:
                    while connection.recv(65536):
                        pass
                    closed += 1
                except ConnectionResetError:
                    closed += 1
                connection.close()
            if first % 500 == 0:
                self.assert_works()
        self.assertEqual(closed, 2000)
        self.assert_works()
        self.assertTrue(self.daemon.slave('bot')['attached'])
        if not bbtest.is_sanitized():
            wait_until(lambda: memory_kib(self.daemon.pid) - before < 2048,
                       lambda: 'memory to come back: %d KiB before, %d KiB now' % (before, memory_kib(self.daemon.pid)),
                       20)

    def test_12_hostile_after_login(self):
        """A7: malformed messages of a slave that has logged in end its own connection only"""
        for number, data in enumerate((pbpeer.encode([b'nonsense']) + pbpeer.encode(5), bytes([1, pbpeer.LIST]) * 5000,
                                       b'\x7f' * 70, b'\x05\x9f')):
            slave = pbpeer.Slave(self.daemon.port, 'crowd-%04d' % (number + 1), 'passw0rd').login()
            slave.socket.sendall(data)
            slave.wait(lambda: slave.closed, 'the connection to be closed (%d)' % number)
            slave.close()
        self.assert_works()

    def test_13_updates_for_unknown_commands(self):
        """calls on objects that do not exist are answered with an error; nothing breaks"""
        answer = self.bot.call(4711, b'update', [b'list'], wait=True)
        self.assertIn(answer[0], (b'answer', b'error'))
        self.bot.call(4712, b'complete', pbpeer.NONE, wait=True)
        self.assert_works()

    def test_14_slow_reader(self):
        """a peer that dribbles its login is cut off in time, while others work"""
        peer = socket.create_connection(('127.0.0.1', self.daemon.port), 30)
        began = time.monotonic()
        ended = threading.Event()

        def dribble():
            try:
                while True:
                    peer.sendall(b'\x00')
                    time.sleep(0.5)
            except OSError:
                ended.set()
        threading.Thread(target=dribble, daemon=True).start()
        self.assertTrue(ended.wait(90))
        self.assertLess(time.monotonic() - began, 80)
        peer.close()
        self.assert_works()

    # --- many

    def test_20_a_thousand_at_once(self):
        """1,000 slaves connect at once: all are attached, none is lost"""
        if not bbtest.is_sanitized():
            before = memory_kib(self.daemon.pid)

        async def one(number):
            reader, writer = await asyncio.open_connection('127.0.0.1', self.daemon.port)
            slave = pbpeer.Slave.__new__(pbpeer.Slave)
            slave.builders, slave.calls, slave.commands, slave.silent = {}, [], [], set()
            slave.send = lambda *values: writer.write(b''.join(map(pbpeer.encode, values)))
            buffer = bytearray()

            async def receive():
                while True:
                    try:
                        value, end = pbpeer.decode(buffer)
                        del buffer[:end]
                        return value
                    except pbpeer.Incomplete:
                        more = await reader.read(65536)
                        if not more:
                            raise EOFError('slave %d was closed' % number)
                        buffer.extend(more)

            async def answer(request):
                while True:
                    message = await receive()
                    if message[0] == b'answer' and message[1] == request:
                        return message[2]
                    if message[0] == b'message':
                        slave._called(*message[1:])
            await receive()
            slave.send(b'pb', [b'version', 6])
            await receive()
            slave.send([b'message', 1, b'root', b'login', 1, [b'tuple', b'crowd-%04d' % number], pbpeer.EMPTY])
            challenge = await answer(1)
            response = hashlib.md5(hashlib.md5(b'passw0rd').digest() + challenge[1]).digest()
            slave.send([b'message', 2, challenge[2][1], b'respond', 1, [b'tuple', response, [b'remote', 1]],
                        pbpeer.EMPTY])
            await answer(2)

            async def serve():
                try:
                    while True:
                        message = await receive()
                        if message[0] == b'message':
                            slave._called(*message[1:])
                except (EOFError, OSError):
                    pass
            return asyncio.ensure_future(serve()), writer

        async def crowd():
            served = await asyncio.wait_for(asyncio.gather(*(one(n) for n in range(1, 1001))), 120)
            loop = asyncio.get_running_loop()

            def attached():
                return sum(slave['attached'] for name, slave in self.daemon.slaves().items()
                           if name.startswith('crowd-'))
            end = loop.time() + 60
            while (count := await loop.run_in_executor(None, attached)) < 1000 and loop.time() < end:
                await asyncio.sleep(0.2)
            grown = memory_kib(self.daemon.pid)
            for _, writer in served:
                writer.close()
            await asyncio.gather(*(task for task, _ in served))
            return count, grown
        count, grown = asyncio.run(crowd())
        self.assertEqual(count, 1000)
        if not bbtest.is_sanitized():
            self.assertLess(grown - before, 16 * 1024)
        self.assert_works()

    # --- large

    def test_30_large_log(self):
        """S18: a large log arrives byte for byte, and the daemon does not grow with it (256 MiB without sanitizers)"""
        if not self.real:
            self.skipTest('buildbot-worker is not installed')
        lines = 2**22 if not bbtest.is_sanitized() else 2**18
        command = ['seq', '-f', '%063.0f', str(lines)]
        self.daemon.bbctl('run', '--slave', 'real', '--', 'seq', '100000')
        before = memory_kib(self.daemon.pid)
        with open('/proc/%d/clear_refs' % self.daemon.pid, 'w') as f:
            f.write('5')
        expected = hashlib.sha256()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as producer:
            while data := producer.stdout.read(2**20):
                expected.update(data)
        got, size = hashlib.sha256(), 0
        client = subprocess.Popen(self.daemon.bbctl_command('run', '--slave', 'real', '--', *command),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=bbtest.program_environment())
        while data := client.stdout.read(2**20):
            got.update(data)
            size += len(data)
        trouble = client.stderr.read().decode()
        self.assertEqual(client.wait(bbtest.DEADLINE), 0, trouble)
        self.assertEqual(size, lines * 64)
        self.assertEqual(got.digest(), expected.digest())
        if not bbtest.is_sanitized():
            grown = memory_kib(self.daemon.pid, 'VmHWM') - before
            self.assertLess(grown, 4 * 1024, 'the daemon grew by %d KiB' % grown)

    # --- the path is cut

    def test_40_frozen(self):
        """K3: a slave that stands still is found by its keepalive: detached, its build is retry"""
        if not self.frozen:
            self.skipTest('buildbot-worker is not installed')
        self.daemon.wait_slave('frozen', deadline=120, attached=False)
        self.assertLess(time.monotonic() - self.frozen_at, 180)
        wait_until(lambda: self.daemon.builds()[self.lost_build]['result'] == 'retry', 'the build to be retry')
        self.frozen.process.send_signal(signal.SIGCONT)
        self.daemon.wait_attached('frozen')
        waiting = [b for b in self.daemon.builds().values() if b['builder'] == 'frozen' and b['state'] != 'finished']
        self.assertEqual(len(waiting), 1)
        self.daemon.bbctl('cancel', waiting[0]['number'])


if __name__ == '__main__':
    bbtest.main()
