#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the diagram and the tables of doc/substantiation.md from core/slave/bb-substantiation-table.[ch].

make-substantiation.py [--check] [SOURCE-FOLDER]

With --check nothing is written; the exit status is 1 when the page is not what the table says.
"""
import pathlib
import re
import sys

BEGIN = "<!-- made by doc/make-substantiation.py from here on -->\n"
END = "<!-- until here -->\n"

CELL = re.compile(r"^\s*(GO|STAY|NEVER) \((\w+)(?:, (\w+), (\w+), (\w+))?\),$")
WAITERS = {"STAY": "go on waiting", "REQUEUE": "are requeued", "FAIL": "are sent away, the slave rests"}


def read_enum(header, prefix):
    """Name without prefix → comment, in order."""
    found = {}
    for name, comment in re.findall(rf"^\s*BB_{prefix}_(\w+),\s*(?:/\* (.*?) \*/)?$", header, re.M):
        if not name.startswith("N_"):
            found[name] = comment
    return found


def read_table(source, phases, events):
    """phase → event → (action, next, waiters), None for what can't happen."""
    table = {}
    row = None
    for line in source.splitlines():
        start = re.match(r"^  \[BB_PHASE_(\w+)\] = \{$", line)
        if start:
            row = table.setdefault(start.group(1), {})
            continue
        cell = CELL.match(line)
        if cell is None or row is None:
            continue
        kind, event, action, phase, waiters = cell.groups()
        if kind == "NEVER":
            row[event] = None
        elif kind == "STAY":
            row[event] = ("NOTHING", "SAME", "STAY")
        else:
            row[event] = (action, phase, waiters)
    assert list(table) == list(phases), "the phases of the table are not those of the enumeration"
    for phase, row in table.items():
        assert list(row) == list(events), f"the events of {phase} are not those of the enumeration"
    return table


def word(name):
    return name.lower().replace("_", "-")


def make_diagram(table, phases):
    states = {}
    for phase, comment in phases.items():
        states.setdefault(comment.split(":")[0], []).append(phase)
    lines = ["```mermaid", "stateDiagram-v2", "  [*] --> none"]
    for state, members in states.items():
        lines.append(f'  state "{state}" as {state}_ {{')
        lines += [f'    {word(phase).replace("-", "_")}: {word(phase)}' for phase in members]
        lines.append("  }")
    for phase, row in table.items():
        ways = {}
        for event, cell in row.items():
            if cell is not None and cell[1] not in ("SAME", phase):
                ways.setdefault(cell[1], []).append(word(event))
        for target, events in ways.items():
            lines.append(f'  {word(phase).replace("-", "_")} --> {word(target).replace("-", "_")}: {", ".join(events)}')
    return lines + ["```", ""]


def make_list(title, entries):
    return [f"| {title} | meaning |", "| --- | --- |"] + [f"| `{word(n)}` | {c} |" for n, c in entries.items()] + [""]


def make_phase(phase, comment, row):
    lines = [f"### `{word(phase)}`", "", f"{comment[0].upper()}{comment[1:]}.", ""]
    active = {e: c for e, c in row.items() if c is not None and c != ("NOTHING", "SAME", "STAY")}
    if active:
        lines += ["| event | is done | then | those who wait |", "| --- | --- | --- | --- |"]
        for event, (action, target, waiters) in active.items():
            target = phase if target == "SAME" else target
            lines.append(f"| `{word(event)}` | {word(action)} | `{word(target)}` | {WAITERS[waiters]} |")
        lines.append("")
    ignored = [f"`{word(e)}`" for e, c in row.items() if c == ("NOTHING", "SAME", "STAY")]
    never = [f"`{word(e)}`" for e, c in row.items() if c is None]
    if ignored:
        lines += [f"Makes no difference: {', '.join(ignored)}.", ""]
    if never:
        lines += [f"Can't happen: {', '.join(never)}.", ""]
    return lines


def make_page(folder):
    header = (folder / "core/slave/bb-substantiation-table.h").read_text(encoding="utf-8")
    source = (folder / "core/slave/bb-substantiation-table.c").read_text(encoding="utf-8")
    phases = read_enum(header, "PHASE")
    events = read_enum(header, "EVENT")
    actions = {n: c for n, c in read_enum(header, "ACTION").items() if n not in ("MISSING", "BUG", "NOTHING")}
    table = read_table(source, phases, events)
    lines = ["## The states", ""] + make_diagram(table, phases)
    lines += ["## What happens", ""] + make_list("event", events)
    lines += ["## What is done", ""] + make_list("action", actions)
    lines += ["## What comes after what", ""]
    for phase, comment in phases.items():
        lines += make_phase(phase, comment, table[phase])
    return "\n".join(lines)


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    rest = [a for a in arguments if a != "--check"]
    folder = pathlib.Path(rest[0]) if rest else pathlib.Path(__file__).resolve().parent.parent
    page = folder / "doc/substantiation.md"
    text = page.read_text(encoding="utf-8")
    head, separator, after = text.partition(BEGIN)
    old, end, tail = after.partition(END)
    assert separator and end, f"{page}: the marks are missing"
    new = make_page(folder)
    if check:
        if old != new:
            print("doc/substantiation.md is not what core/slave/bb-substantiation-table.c says; "
                  "run doc/make-substantiation.py")
        sys.exit(old != new)
    page.write_text(head + BEGIN + new + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
