# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was installed works from where it was installed: run by `make installcheck`."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

# What a page says is what is tried here.
PAGE = os.path.join(bbtest.SRCDIR, 'doc', 'writing-a-plugin.md')


def block(language, beginning):
    """The code in the page that begins so."""
    with open(PAGE, encoding='utf-8') as f:
        blocks = re.findall(r'^```(\w+)\n(.*?)^```$', f.read(), re.MULTILINE | re.DOTALL)
    return next(text for kind, text in blocks if kind == language and text.startswith(beginning))


class Installed(bbtest.Case):
    def test_programs(self):
        """the installed daemon and bbctl run a build on a local slave, with the built-in plugin directory"""
        bbtest.Worker.require('3')
        self.start_daemon('[slave local-1]\ntype=local\npassword=auto\nbuild_wait_timeout=0\n[builder b]\n'
                          'slavenames=local-1;\nsteps=s;\n[step s]\ncommand=echo installed\n'
                          + bbtest.Daemon.listener(None))
        build = self.daemon.build('b')
        self.assertEqual(build['result'], 'success')
        self.assertIn('installed', self.daemon.bbctl('log', build['number']).stdout)
        self.assertIn('local', [plugin['name'] for plugin in self.daemon.json('plugins')])

    def test_languages(self):
        """bbctl speaks the user's language, from the catalogues that were installed"""
        for language, text in (('de', 'Die Slaves auflisten'), ('fr', 'Lister les esclaves'),
                               ('es', 'Listar los esclavos'), ('zh_CN', '列出从机'), ('C', 'List the slaves')):
            result = subprocess.run([bbtest.BBCTL, '--help'], stdout=subprocess.PIPE, text=True, check=True,
                                    env=bbtest.program_environment(LANGUAGE=language), timeout=bbtest.DEADLINE)
            self.assertIn(text, result.stdout)

    def build_plugin(self):
        """The page's plugin, program and configuration in a folder of their own, built as the page says."""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        directory.write('script.c', block('c', '#include <bbhost/bbhost.h>'))
        directory.write('script-cloud', block('sh', '#!/bin/sh'), mode=0o755)
        os.mkdir(directory('cloud'))
        directory.write('script.conf', block('ini', '[slave bot1]').replace('/tmp/cloud', directory('cloud')))
        command = block('sh', 'cc ').strip()
        env = dict(os.environ, PKG_CONFIG_PATH=os.environ['BB_TEST_PKG_CONFIG_PATH'])
        subprocess.run(['sh', '-c', command.replace('cc ', 'cc -Werror ', 1)], cwd=directory.path, env=env, check=True)
        return directory

    def test_plugin_outside(self):
        """the page's plugin builds against the installed headers alone, and keeps every promise"""
        bbtest.Worker.require('3')
        directory = self.build_plugin()
        result = subprocess.run([os.environ['BB_TEST_PLUGIN_CHECK'], directory('script.so'), directory('script.conf')],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=5 * bbtest.DEADLINE,
                                env=bbtest.program_environment())
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertRegex(result.stdout, r'(?m)^ok \d+ - stop-by-token')
        self.assertNotIn('not ok', result.stdout)
        self.assertEqual(os.listdir(directory('cloud')), [])

    def test_plugin_that_leaks(self):
        """the same plugin with a stop that does nothing is found out"""
        bbtest.Worker.require('3')
        directory = self.build_plugin()
        directory.write('script-cloud', block('sh', '#!/bin/sh').replace('case $1 in', 'case $1.$FAULT in\n  stop.1) ;;')
                        .replace('  start)', '  start.*)').replace('  stop)', '  stop.*)').replace('  check)', '  check.*)')
                        .replace('  list)', '  list.*)'), mode=0o755)
        result = subprocess.run([os.environ['BB_TEST_PLUGIN_CHECK'], '--case=start-and-stop', directory('script.so'),
                                 directory('script.conf')], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=bbtest.DEADLINE, env=bbtest.program_environment(FAULT='1'))
        subprocess.run(['pkill', '-KILL', '-f', 'start --nodaemon ' + directory('cloud')], check=False)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn('not ok 1 - start-and-stop', result.stdout)
        self.assertIn('check_instance says that it is not', result.stdout)

    def test_plugin_runs_builds(self):
        """the page's plugin is found, and a build runs on a worker that it has started"""
        bbtest.Worker.require('3')
        directory = self.build_plugin()
        with open(directory('script.conf'), encoding='utf-8') as f:
            slave = f.read().replace('program=', 'program=%s/' % directory.path)
        self.start_daemon(slave + 'build_wait_timeout=0\n[builder b]\nslavenames=bot1;\nsteps=s;\n[step s]\n'
                          'command=echo from outside\n' + bbtest.Daemon.listener(None),
                          arguments=('--plugin-dir', directory.path))
        self.assertIn('script', [plugin['name'] for plugin in self.daemon.json('plugins')])
        self.assertEqual(self.daemon.build('b')['result'], 'success')
        bbtest.wait_until(lambda: os.listdir(directory('cloud')) == [], 'the instance is stopped')


if __name__ == '__main__':
    bbtest.main()
