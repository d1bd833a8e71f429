# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual says what the programs do, and the shells complete what they take."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

PAGES = os.path.join(bbtest.BUILDDIR, 'doc', 'man')
COMPLETIONS = os.path.join(bbtest.SRCDIR, 'data', 'completions')
CONFIGURATION = '''[slave bot-linux]
password=x
[slave bot-solaris]
password=x
[builder hello]
slavenames=bot-*;
steps=s;
[step s]
command=true
'''


def require(program):
    if shutil.which(program) is None:
        raise unittest.SkipTest('%s is not installed' % program)


def page_text(name):
    """What a reader sees, in one line, without overstriking."""
    with open(os.path.join(PAGES, name), encoding='utf-8') as f:
        return f.read().replace('\\-', '-')


def help_of(program, *arguments):
    return subprocess.run([program, *arguments, '--help'], stdout=subprocess.PIPE, env=bbtest.program_environment(),
                          text=True, check=True, timeout=bbtest.DEADLINE).stdout


def options_in(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text)) - {'--help'}


class Pages(bbtest.Case):
    def test_syntax(self):
        """mandoc has nothing to say against any page"""
        require('mandoc')
        pages = sorted(os.listdir(PAGES))
        self.assertGreaterEqual(len(pages), 4)
        result = subprocess.run(['mandoc', '-Tlint', '-W', 'warning', *(os.path.join(PAGES, page) for page in pages)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((result.returncode, result.stdout), (0, ''))

    def test_bbctl(self):
        """bbctl(1) names every verb and every option of it"""
        text = page_text('bbctl.1')
        options = set('--' + name for name in re.findall(r'Fl \\?-([a-z][a-z-]+)', text))
        verbs = re.findall(r'^  ([a-z][a-z-]*) ', help_of(bbtest.BBCTL).partition('Verbs:')[2], re.MULTILINE)
        self.assertGreater(len(verbs), 20)
        for verb in verbs:
            self.assertRegex(text, r'(?m)Cm %s\b' % re.escape(verb), 'the page has no verb %s' % verb)
            self.assertLessEqual(options_in(help_of(bbtest.BBCTL, verb)), options, 'of the verb %s' % verb)

    def test_other_programs(self):
        """bbhostd(8) and bbhost-plugin-check(1) name every option, and no other"""
        checker = os.environ.get('BB_TEST_PLUGIN_CHECK') or os.path.join(bbtest.BUILDDIR, 'bbhost-plugin-check')
        for page, program in (('bbhostd.8', bbtest.BBHOSTD), ('bbhost-plugin-check.1', checker)):
            options = set('--' + name for name in re.findall(r'Fl \\?-([a-z][a-z-]+)', page_text(page)))
            self.assertGreater(len(options), 4)
            self.assertEqual(options_in(help_of(program)), options)

    def test_plugins(self):
        """every plugin has a page with every one of its options"""
        self.start_daemon(bbtest.Daemon.listener(None))
        plugins = self.daemon.json('plugins')
        self.assertIn('local', [plugin['name'] for plugin in plugins])
        for plugin in plugins:
            text = page_text('bbhost-%s.5' % plugin['name'])
            for kind in plugin['types']:
                for option in kind['options']:
                    self.assertIn('.It Cm %s Ns =' % option['key'], text)

    def test_plugin(self):
        """bbctl shows the options of one plugin with their meanings, and says when there is none of that name"""
        self.start_daemon(bbtest.Daemon.listener(None))
        shown = self.daemon.bbctl('plugins', 'local').stdout
        self.assertRegex(shown, r'(?m)^stop_timeout +seconds +10 +How long its processes may take')
        self.assertEqual([plugin['name'] for plugin in self.daemon.json('plugins', 'local')], ['local'])
        refused = self.daemon.bbctl('plugins', 'nope', expect=1)
        self.assertIn('there is no plugin "nope"', refused.stderr)


class Completion(bbtest.Case):
    def complete_in_bash(self, line):
        script = os.path.join(COMPLETIONS, 'bbctl.bash')
        program = '''
          [ ! -r /usr/share/bash-completion/bash_completion ] || . /usr/share/bash-completion/bash_completion
          . "$1"
          bbctl () { "$BBCTL" "$@"; }
          COMP_LINE=$2 COMP_POINT=${#2}
          read -ra COMP_WORDS <<<"$2"
          [ "${2% }" = "$2" ] || COMP_WORDS+=('')
          COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
          _bbctl
          printf '%s\\n' "${COMPREPLY[@]}"'''
        result = subprocess.run(['bash', '-c', program, 'bash', script, line], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=bbtest.DEADLINE,
                                env=bbtest.program_environment(BBCTL=bbtest.BBCTL,
                                                               DBUS_SYSTEM_BUS_ADDRESS=self.daemon.bus.address))
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        return result.stdout.split()

    def test_bash(self):
        """bash completes verbs, options, and slaves and builders of the daemon that runs"""
        self.start_daemon(CONFIGURATION + bbtest.Daemon.listener(None))
        self.assertEqual(self.complete_in_bash('bbctl sub'), ['substantiate'])
        self.assertEqual(self.complete_in_bash('bbctl pause bot-'), ['bot-linux', 'bot-solaris'])
        self.assertEqual(self.complete_in_bash('bbctl build h'), ['hello'])
        self.assertEqual(self.complete_in_bash('bbctl build hello --slave bot-s'), ['bot-solaris'])
        self.assertEqual(self.complete_in_bash('bbctl build --fol'), ['--follow'])
        self.assertEqual(self.complete_in_bash('bbctl --bus system slave bot-l'), ['bot-linux'])

    def test_zsh(self):
        """zsh completes verbs and slaves of the daemon that runs"""
        require('zsh')
        self.start_daemon(CONFIGURATION + bbtest.Daemon.listener(None))
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        directory.write('bin/bbctl', '#!/bin/sh\nexec "%s" "$@"\n' % bbtest.BBCTL, mode=0o755)
        env = bbtest.program_environment(
            DBUS_SYSTEM_BUS_ADDRESS=self.daemon.bus.address, ZDOTDIR=directory.path, HOME=directory.path, TERM='dumb',
            PATH=directory('bin') + ':' + os.environ['PATH'])
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe('zsh', ['zsh', '-f', '-i'], env)
        self.addCleanup(os.close, terminal)
        self.addCleanup(lambda: (os.kill(pid, 9), os.waitpid(pid, 0)))
        seen = bytearray()

        def say(text):
            del seen[:]
            os.write(terminal, text.encode())

        def wait_for(text):
            end = time.monotonic() + bbtest.DEADLINE
            while text.encode() not in seen:
                if time.monotonic() > end or not select.select([terminal], [], [], bbtest.DEADLINE)[0]:
                    raise AssertionError('no %r in %r' % (text, bytes(seen)))
                seen.extend(os.read(terminal, 4096))

        say('fpath=(%s $fpath); autoload -U compinit; compinit -D -u; PS1=; unsetopt zle_bracketed_paste; '
            'echo rea""dy\n' % COMPLETIONS)
        wait_for('ready\r\n')
        say('bbctl insub\t')
        wait_for('insubstantiate')
        say('\x15bbctl pause bot-s\t')
        wait_for('bot-solaris')


if __name__ == '__main__':
    bbtest.main()
