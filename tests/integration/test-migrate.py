# SPDX-License-Identifier: LGPL-2.1-or-later
"""contrib/master-cfg-to-bbhost: what it makes of a master.cfg is what doc/migrating.md shows, and bbhostd takes it."""
import os
import re
import stat
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

PROGRAM = os.path.join(bbtest.SRCDIR, 'contrib', 'master-cfg-to-bbhost')
PAGE = os.path.join(bbtest.SRCDIR, 'doc', 'migrating.md')
# The manual's examples are cut out of a file that begins so.
PREFACE = "c = BuildmasterConfig = {'slaves': [], 'status': []}\n"


def examples():
    with open(PAGE, encoding='utf-8') as f:
        blocks = re.findall(r'^```(\w+)\n(.*?)^```$', f.read(), re.MULTILINE | re.DOTALL)
    for (first, source), (second, wanted) in zip(blocks[::2], blocks[1::2]):
        assert (first, second) == ('python', 'ini'), source
        yield source, wanted


class Migrate(bbtest.Case):
    def setUp(self):
        super().setUp()
        self.directory = bbtest.TempDir()
        self.addCleanup(self.directory.remove)

    def convert(self, source, *arguments):
        return subprocess.run(['/usr/bin/python3', PROGRAM, self.directory.write('master.cfg', source), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=bbtest.DEADLINE)

    def check(self, text):
        """What --check-config says."""
        path = self.directory.write('bbhost.conf', text)
        return subprocess.run([bbtest.BBHOSTD, '--check-config', '--config', path, *bbtest.PLUGIN_OPTIONS],
                              stderr=subprocess.PIPE, text=True, timeout=bbtest.DEADLINE,
                              env=bbtest.program_environment())

    def has_plugin(self, name):
        return bbtest.INSTALLED or any('/%s/' % name in option for option in bbtest.PLUGIN_OPTIONS)

    def test_examples(self):
        """every example of the manual becomes the key file beside it"""
        number = 0
        for source, wanted in examples():
            with self.subTest(source):
                result = self.convert(PREFACE + source)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(result.stdout, wanted)
            number += 1
        self.assertGreaterEqual(number, 18)

    def test_accepted(self):
        """bbhostd accepts every key file on the page, and has no warning about it but for slaves without builders"""
        for _, wanted in examples():
            types = re.findall(r'^type=(ec2|libvirt|openstack|smtp)$', wanted, re.MULTILINE)
            if 'NOT CARRIED OVER' in wanted or not all(self.has_plugin(name) for name in types):
                continue
            with self.subTest(wanted):
                result = self.check(wanted + ('' if '[listener' in wanted else bbtest.Daemon.listener(None)))
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_python2(self):
        """a master.cfg in Python 2 is translated"""
        if not any(os.path.isdir(os.path.join(path, 'lib2to3'))
                   for path in ('/usr/lib/python3', '/usr/lib/python3.11', '/usr/lib/python3.12')):
            raise unittest.SkipTest('lib2to3 is not installed')
        result = self.convert('from buildbot.buildslave import BuildSlave\nimport os\n'
                              'print "loading"\nc = BuildmasterConfig = {}\n'
                              "c['slaves'] = [BuildSlave('bot%d' % n, 'x') for n in xrange(2)]\n"
                              "if c.has_key('slaves'): c['slavePortnum'] = 9989\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('[slave bot0]\npassword=x\n\n[slave bot1]\n', result.stdout)
        self.assertIn('port=9989\n', result.stdout)

    def test_told(self):
        """what can't be carried over is told, in the file and on standard error"""
        result = self.convert('''
from buildbot.plugins import *
import buildbot.plugins.steps as more
c = BuildmasterConfig = {}
class Mine(steps.BuildStep):
    pass
f = util.BuildFactory([Mine(x=1), steps.ShellCommand(command=util.Interpolate('%(src::branch)s'), doStepIf=len)])
c['workers'] = [worker.DockerLatentWorker('d', None), worker.Worker('w', 'p', locks=[1])]
c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=f, nextWorker=lambda *a: None)]
c['schedulers'] = [schedulers.Nightly(name='n')]
c['services'] = [reporters.GitHubStatusPush(token='t')]
''')
        self.assertEqual(result.returncode, 0, result.stderr)
        for text in ('DockerLatentWorker', 'class Mine', 'only %(prop:…)s', 'doStepIf', 'locks of slave w', 'nextWorker',
                     'schedulers: builds are asked for', 'GitHubStatusPush'):
            self.assertIn(text, result.stderr)
            self.assertIn(text, '\n'.join(re.findall('# NOT CARRIED OVER.*', result.stdout)))

    def test_strings(self):
        """text that means something in a key file comes out as it went in"""
        result = self.convert('''
from buildbot.plugins import *
c = BuildmasterConfig = {}
f = util.BuildFactory([steps.ShellCommand(command=['a;b', ' lead', 'back\\\\slash', 'new\\nline', '100%']),
                       steps.ShellCommand(command='date +%s; true')])
c['workers'] = [worker.Worker('w', 'p;w\\\\', properties={'n': '3', 'q': '"x"', 't': 'true', 'e': ''})]
c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=f)]
''')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(r'argv=a\;b;\slead;back\\slash;new\nline;100%%;', result.stdout)
        self.assertIn('command=date +%%s; true\n', result.stdout)
        self.assertIn('password=p;w\\\\\n', result.stdout)
        self.assertIn('n="3"\nq=""x""\nt="true"\ne=""\n', result.stdout)
        checked = self.check(result.stdout + bbtest.Daemon.listener(None))
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_output(self):
        """the file that it writes is closed to others, and none is overwritten"""
        source = PREFACE + "c['slavePortnum'] = 'tcp:9989:interface=127.0.0.1'\n"
        path = self.directory('new.conf')
        self.assertEqual(self.convert(source, '-o', path).returncode, 0)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding='utf-8') as f:
            self.assertEqual(f.read(), '[listener pb]\nprotocol=pb\naddress=127.0.0.1\nport=9989\n')
        again = self.convert(source, '-o', path)
        self.assertNotEqual(again.returncode, 0)
        self.assertEqual(again.stderr, '%s: File exists\n' % path)

    def test_not_buildbot(self):
        """Buildbot itself is not run, even where it is installed"""
        result = self.convert('import buildbot\nassert not getattr(buildbot, "__file__", None)\n' + PREFACE)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == '__main__':
    bbtest.main()
