# SPDX-License-Identifier: LGPL-2.1-or-later
"""What translators get: no file with texts for people is left out, and plural forms come as such."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SRCDIR = os.environ.get('BB_SRCDIR') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
MARK = re.compile(r'\b(?:_|N_|Q_|ngettext) ?\("')
# Of each kind one: words of bbctl, its options, a mail's subject and text, options of the configuration.
WANTED = ('Build %s of %s was submitted.\\n', 'Set a property of the build; may be repeated',
          'Buildbot: buildslave %s was lost', 'bbhost has detected a new failure on builder %s.',
          'The SMTP server.', 'Who gets mail when the slave stays away.')
PLURAL = 'bytes are left out)'

count = 0


def result(good, what, comments=()):
    global count
    count += 1
    print('%s %d %s' % ('ok' if good else 'not ok', count, what))
    for comment in comments:
        print('#', comment)
    return good


def marked_files(*folders):
    for folder in folders:
        for path, _, names in os.walk(os.path.join(SRCDIR, folder)):
            for name in names:
                full = os.path.join(path, name)
                if name.endswith('.c') and MARK.search(open(full, encoding='utf-8').read()):
                    yield os.path.relpath(full, SRCDIR)


def main():
    with open(os.path.join(SRCDIR, 'po', 'POTFILES.in')) as f:
        listed = {line.strip() for line in f if line.strip() and not line.startswith('#')}
    missing = sorted(set(marked_files('cli', 'core', 'plugins')) - listed)
    good = result(not any(name.startswith(('cli/', 'plugins/smtp/')) for name in missing),
                  'po/POTFILES.in lists every file of bbctl and mail with texts for people',
                  ['not listed: ' + name for name in missing])
    gone = sorted(name for name in listed if not os.path.exists(os.path.join(SRCDIR, name)))
    good &= result(not gone, 'and no file that is not there', gone)
    if not shutil.which('xgettext'):
        print('ok %d texts are extracted # SKIP xgettext is not installed' % (count + 1))
        print('1..%d' % (count + 1))
        return 0 if good else 1
    with open(os.path.join(SRCDIR, 'po', 'Makevars')) as f:
        options = re.search(r'^XGETTEXT_OPTIONS = (.*)$', f.read(), re.M).group(1).split()
    with tempfile.TemporaryDirectory() as folder:
        template = os.path.join(folder, 'bbhost.pot')
        subprocess.run(['xgettext', *options, '--no-wrap', '--directory=' + SRCDIR, '-o', template, *sorted(listed)],
                       check=True)
        with open(template, encoding='utf-8') as f:
            text = f.read()
    lost = [wanted for wanted in WANTED if 'msgid "%s' % wanted not in text.replace('msgid ""\n"', 'msgid "')]
    good &= result(not lost, 'texts of bbctl, of mails and of the options are extracted', lost)
    entry = next((entry for entry in text.split('\n\n') if PLURAL in entry), '')
    good &= result('msgid_plural' in entry, 'plural forms come as such', entry.splitlines())
    print('1..%d' % count)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
