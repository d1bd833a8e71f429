# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every text for people is in every catalogue, with the fields that the program fills in."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

PO = os.path.join(bbtest.SRCDIR, 'po')
MARK = re.compile(r'(?<![\w])(?:N_|Q_|_) ?\("|ngettext ?\(')


def read_list(name):
    with open(os.path.join(PO, name), encoding='utf-8') as f:
        return [line.strip() for line in f if line.strip() and not line.startswith('#')]


class Languages(bbtest.Case):
    def setUp(self):
        super().setUp()
        if shutil.which('xgettext') is None:
            raise unittest.SkipTest('gettext is not installed')

    def test_files(self):
        """translators are shown every file with texts for people, and no other"""
        marked = set()
        for top in ('cli', 'core', 'plugins'):
            for folder, _, names in os.walk(os.path.join(bbtest.SRCDIR, top)):
                for name in names:
                    path = os.path.join(folder, name)
                    if name.endswith('.c'):
                        with open(path, encoding='utf-8') as f:
                            if MARK.search(f.read()):
                                marked.add(os.path.relpath(path, bbtest.SRCDIR))
        self.assertGreater(len(marked), 20)
        self.assertEqual(set(read_list('POTFILES.in')), marked)

    def test_catalogues(self):
        """every catalogue has every text of the sources, and its plural forms and fields are right"""
        languages = read_list('LINGUAS')
        with open(os.path.join(PO, 'Makevars'), encoding='utf-8') as f:
            options = re.search(r'^XGETTEXT_OPTIONS = (.*)$', f.read(), re.MULTILINE).group(1).split()
        self.assertEqual(languages, ['de', 'es', 'fr', 'zh_CN'])
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        template = directory('bbhost.pot')
        subprocess.run(['xgettext', *options, '--directory=' + bbtest.SRCDIR, '--output=' + template,
                        '--files-from=' + os.path.join(PO, 'POTFILES.in')], check=True)
        with open(template, encoding='utf-8') as f:
            self.assertIn('msgid_plural', f.read())
        for language in languages:
            with self.subTest(language):
                merged = directory(language + '.po')
                subprocess.run(['msgmerge', '--quiet', '--no-fuzzy-matching', '--output-file=' + merged,
                                os.path.join(PO, language + '.po'), template], check=True)
                result = subprocess.run(['msgfmt', '--check', '--statistics', '--output-file=/dev/null', merged],
                                        stderr=subprocess.PIPE, text=True, env=dict(os.environ, LC_ALL='C'))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertRegex(result.stderr, r'^\d+ translated messages\.\n$', 'complete it: make -C po update-po')


if __name__ == '__main__':
    bbtest.main()
