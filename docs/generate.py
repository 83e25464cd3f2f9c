"""Writes the generated pages of docs/, or says which of them are not what the code says.

    python docs/generate.py             write
    python docs/generate.py --check     compare only; 1 if a page differs

Every page is a pure function of the code, so a page that differs was written by hand or belongs to
older code. `dev.py docs` and `dev.py check` call this.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = [str(ROOT), *(str(ROOT / root) for root in ("supervisor", "actors", "storage"))]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    sys.path[:0] = SOURCE_ROOTS  # a bare checkout generates its pages uninstalled
    from docs.generating.pages import pages, stale, write

    if not arguments:
        for name in write(ROOT):
            print(f"docs: wrote {name}")
        return 0
    differing = stale(ROOT)
    for name in differing:
        print(f"docs: {name} is not what the code says; write it with: python3 dev.py docs")
    print(f"docs: {len(pages()) - len(differing)} of {len(pages())} generated pages are current")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
