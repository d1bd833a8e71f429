#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""That the load generator and the script that measures still work: their figures are looked at by people, rarely."""
import json
import os
import subprocess
import unittest

import bbtest


class Bench(unittest.TestCase):
    def test_figures(self):
        """D7: slaves of the load generator attach, build, print and come and go over each protocol"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        path = directory('figures.json')
        done = subprocess.run(
            ['/usr/bin/python3', os.path.join(bbtest.SRCDIR, 'bench', 'run'), '--repeat=1', '--peer-repeat=0', '--json=' + path,
             '--only=attach,builds,latent,log', '--slaves=3', '--builds=12', '--log=1', '--idle=0.1'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(path) as f:
            figures = {figure['figure']: figure['values'] for figure in json.load(f) if figure['who'] == 'bbhost'}
        for protocol in ('pb', 'msgpack'):
            with self.subTest(protocol):
                self.assertEqual(figures.pop('never attached, of 3 at once, ' + protocol), [0])
                for figure in ('attach, 3 at once', 'reload with one changed, 3 slaves', 'build of one step, 3 slaves',
                               'submit to startCommand, 3 slaves', 'latent cycle (start, attach, build, stop)',
                               "request to the backend's start", 'log of one step'):
                    self.assertGreater(figures[figure + ', ' + protocol][0], 0, figure)


if __name__ == '__main__':
    bbtest.main()
