# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was installed works from where it was installed: run by `make installcheck`."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

PLUGIN = '''
#include <bbhost/bbhost.h>
static const BbPluginProvides provides[] = { { 0 } };
BB_PLUGIN_DEFINE ("outside", "built against the installed copy", provides)
'''


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

    def test_plugin_outside(self):
        """a plugin builds against the installed headers and pkg-config file alone, and is found"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        source = directory.write('outside.c', PLUGIN)
        env = dict(os.environ, PKG_CONFIG_PATH=os.environ['BB_TEST_PKG_CONFIG_PATH'])
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'bbhost-plugin-1'], stdout=subprocess.PIPE, env=env,
                               text=True, check=True).stdout.split()
        module = directory('outside.so')
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-DPACKAGE_VERSION="1"', '-shared', '-fPIC', '-o', module,
                        source, *flags], check=True)
        self.start_daemon(bbtest.Daemon.listener(None), arguments=('--plugin-dir', directory.path))
        self.assertIn('outside', [plugin['name'] for plugin in self.daemon.json('plugins')])


if __name__ == '__main__':
    bbtest.main()
