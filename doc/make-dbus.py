# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the page about D-Bus: what core/bus/org.bbhost.xml says, with the rights that the tables in core/bus ask for and the
errors of core/bb-error.c.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*parts):
    with open(os.path.join(top, *parts), encoding='utf-8') as f:
        return f.read()


def parse_comment(text):
    """(arguments, description) of gtk-doc's form: Name:, @argument: lines, a blank line, text."""
    lines = [line.strip() for line in text.strip().splitlines()]
    first = re.match(r'[\w.]+:\s*(.*)', lines[0])
    if not first:
        return {}, ' '.join(lines).strip()
    arguments, paragraphs, last = {}, [first.group(1)] if first.group(1) else [], None
    for line in lines[1:]:
        found = re.match(r'@(\w+):\s*(.*)', line)
        if found:
            last = found.group(1)
            arguments[last] = found.group(2)
        elif not line:
            last = None
            paragraphs.append('')
        elif last:
            arguments[last] += ' ' + line
        else:
            paragraphs.append(line)
    return arguments, re.sub(r' ?\n\n ?', '\n\n', ' '.join(p or '\n\n' for p in paragraphs)).strip()


def documented(parent):
    """Each child with the comment before it."""
    comment = None
    for child in parent:
        if child.tag is ElementTree.Comment:
            comment = child.text
        else:
            yield child, parse_comment(comment) if comment else ({}, '')
            comment = None


def find_rights():
    """{(interface, method): action}, out of the tables that decide about each call."""
    actions = dict(re.findall(r'#define (BB_ACTION_\w+) "([^"]+)"', read('core', 'bus', 'bb-bus-face.h')))
    rights = {}
    for name in os.listdir(os.path.join(top, 'core', 'bus')):
        if not name.endswith('.c'):
            continue
        text = read('core', 'bus', name)
        tables = dict(re.findall(r'BbBusMethod (\w+)\[\] = \{(.*?)\n\};', text, re.S))
        for interface, table in re.findall(r'&bb_bus_org_bbhost_(\w+)_interface,\s*(\w+),', text):
            for method, action in re.findall(r'\{ "(\w+)", (\w+),', tables.get(table, '')):
                rights[interface.replace('_', ''), method] = actions.get(action)
    return rights


def show_call(element, arguments, text, right=None):
    """A method or a signal as one item of a list."""
    takes = [arg for arg in element.findall('arg') if arg.get('direction', 'in') == 'in']
    gives = [arg for arg in element.findall('arg') if arg.get('direction') == 'out']
    head = '%s**%s** (%s)' % ('signal ' if element.tag == 'signal' else '', element.get('name'), ', '.join('%s `%s`' % (a.get('name'), a.get('type')) for a in takes))
    if gives:
        head += ' → ' + ', '.join('%s `%s`' % (a.get('name'), a.get('type')) for a in gives)
    print('- ' + head + (', needs `%s`' % right if right else ''))
    # The right stands in the table already.
    text = re.sub(r'\s*Needs org\.bbhost\.[a-z-]+(, as all below)?\.?', '', text).strip()
    for paragraph in filter(None, text.split('\n\n')):
        print('\n  ' + (paragraph if paragraph[0].isupper() else paragraph[0].upper() + paragraph[1:]))
    if arguments:
        print()
    for name, what in arguments.items():
        print('  - `%s`: %s' % (name, what))
    print()


def show_properties(interface):
    rows = list((p, parsed) for p, parsed in documented(interface) if p.tag == 'property')
    if not rows:
        return
    print('| property | type | changes are told | |\n| --- | --- | --- | --- |')
    for element, (_, text) in rows:
        emits = [a.get('value') for a in element.findall('annotation')]
        told = {'const': 'never changes', 'false': 'no'}.get(emits[0] if emits else '', 'yes')
        print('| `%s` | `%s` | %s | %s |' % (element.get('name'), element.get('type'), told, text.replace('|', '\\|')))
    print()


def show_interface(interface, arguments, text, rights):
    name = interface.get('name')
    print('## %s: %s\n' % (name, arguments.get('short_description', '').lower()))
    print(text + '\n')
    for element, (args, what) in documented(interface):
        if element.tag in ('method', 'signal'):
            if element.tag == 'signal':
                for arg in element.findall('arg'):
                    arg.set('direction', 'in')
            show_call(element, args, what, rights.get((name.replace('org.bbhost.', '').lower(), element.get('name'))))
    show_properties(interface)


def main():
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    source = read('core', 'bus', 'org.bbhost.xml')
    root = ElementTree.fromstring(source, parser)
    rights = find_rights()
    print('''# org.bbhost on D-Bus

The daemon owns the name `org.bbhost` on the system bus, or on the one that `--bus` names. `bbctl` uses nothing else, so that whatever
it shows and does can be had from any language. Members are only ever added; an incompatible change would be a new interface, `Host2`.

Times are microseconds since 1970 (0: never), durations seconds, costs US dollars an hour (negative: unknown). A text that does not apply is
empty. In lists, which have a dictionary an entry, keys are the properties' names in snake_case.

Reading is free to everyone whom the bus lets in. On the system bus a method that changes something asks polkit for the right that stands
with it, and lets polkit ask for a password when the call allows that (`ALLOW_INTERACTIVE_AUTHORIZATION`); on any other bus the caller must be the
daemon's own user. Changes of properties are gathered until the daemon is idle, 50 ms at most, and then told once with the new value.

```
busctl tree org.bbhost
busctl introspect org.bbhost /org/bbhost/Host
gdbus monitor --system --dest org.bbhost
busctl call org.bbhost /org/bbhost/Host org.bbhost.Host1 SubmitBuild 'sa{sv}' hello 0
```
''')
    for interface, (arguments, text) in documented(root):
        show_interface(interface, arguments, text, rights)
    print('## Errors\n\nEach has a message for people: who, what, and what would be right. Programs look at the name.\n')
    print('| name | |\n| --- | --- |')
    words = dict(re.findall(r'@(BB_ERROR_\w+): (.*?)(?=\n \* @|\n \*\n|\n \*/)', read('core', 'bb-error.h'), re.S))
    names = dict(re.findall(r'\{ (BB_ERROR_\w+), "([^"]+)" \}', read('core', 'bb-error.c')))
    for code, name in names.items():
        what = re.sub(r'\s*\n \*\s*', ' ', words.get(code, '')).strip()
        what = re.sub(r'%(BB_ERROR_\w+)', lambda match: '`%s`' % names[match.group(1)], what)
        print('| `%s` | %s |' % (name, what))


if __name__ == '__main__':
    sys.stdout.reconfigure(encoding='utf-8')
    main()
