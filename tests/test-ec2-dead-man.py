# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dead man's switch: off after the last connection has been gone for long enough, and not before."""
import os
import subprocess
import tempfile
import unittest
import sys

SCRIPT = os.path.join(os.environ.get('BB_SRCDIR', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')),
                      'data', 'bbhost-dead-man')
HEAD = '  sl  local_address rem_address   st\n'
# to 192.0.2.1 port 9989 (0x2705)
CONNECTED = '   0: 0A00000A:C001 010200C0:2705 01 00000000:00000000\n'
CLOSING = '   0: 0A00000A:C001 010200C0:2705 06 00000000:00000000\n'
OTHER = '   0: 0A00000A:C001 010200C0:0016 01 00000000:00000000\n'
# The other side of a connection that came in on that port is no connection to the host.
LISTENING = '   0: 0A00000A:2705 010200C0:C001 01 00000000:00000000\n'


class DeadMan(unittest.TestCase):
    def start(self, lines):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.table = os.path.join(folder.name, 'tcp')
        self.off = os.path.join(folder.name, 'off')
        self.write(lines)
        process = subprocess.Popen(['sh', SCRIPT, 'host', '9989', '3'], stdout=subprocess.DEVNULL, env=dict(
            os.environ, BBHOST_TCP_FILES=self.table, BBHOST_MINUTE='0.05', BBHOST_POWER_OFF='touch ' + self.off))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def write(self, lines):
        with open(self.table + '.new', 'w') as table:
            table.write(HEAD + lines)
        os.rename(self.table + '.new', self.table)

    def test_off(self):
        for lines in '', OTHER, CLOSING, LISTENING:
            with self.subTest(lines=lines):
                self.assertEqual(self.start(lines).wait(20), 0)
                self.assertTrue(os.path.exists(self.off))

    def test_stays_on(self):
        process = self.start(OTHER + CONNECTED)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1)
        self.assertFalse(os.path.exists(self.off))
        self.write('')
        self.assertEqual(process.wait(20), 0)
        self.assertTrue(os.path.exists(self.off))

    def test_again(self):
        """A machine that does not go down is told again."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        refusing = os.path.join(folder.name, 'refusing')
        with open(refusing, 'w') as script:
            script.write('echo >>%s/told; test "$(wc -l <%s/told)" -ge 3\n' % (folder.name, folder.name))
        process = subprocess.run(['sh', SCRIPT, 'host', '9989', '1'], stdout=subprocess.DEVNULL, timeout=20, env=dict(
            os.environ, BBHOST_TCP_FILES='/dev/null', BBHOST_MINUTE='0.05', BBHOST_POWER_OFF='sh ' + refusing))
        self.assertEqual(process.returncode, 0)

    def test_usage(self):
        for arguments in (), ('host',), ('host', 'port'):
            with self.subTest(arguments=arguments):
                self.assertEqual(subprocess.run(['sh', SCRIPT, *arguments], stderr=subprocess.DEVNULL).returncode, 2)


result = unittest.TestResult()
tests = [test for test in unittest.defaultTestLoader.loadTestsFromTestCase(DeadMan)]
print('1..%d' % len(tests))
for number, test in enumerate(tests, 1):
    before = len(result.failures) + len(result.errors)
    test.run(result)
    bad = (result.failures + result.errors)[before:]
    for _, text in bad:
        print('# ' + text.replace('\n', '\n# '))
    print('%s %d %s' % ('not ok' if bad else 'ok', number, test.id()), flush=True)
sys.exit(bool(result.failures or result.errors))
