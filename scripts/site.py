"""Build the documentation's web site: `make site`."""

import shutil
import sys
import tempfile
from pathlib import Path

from mkdocs.__main__ import cli

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "mkdocs.yml"


def pages() -> list[Path]:
    """Return the Markdown files of the site. In the repository they link to each other, too."""
    return sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("lab/*/README.md")))


def build(folder: Path) -> None:
    """Build the site in ``folder``/html, strictly: a link that leads nowhere is an error.

    MkDocs reads one folder, so the pages are copied with their places in the repository.

    Raises:
        SystemExit: a page or a link is wrong; MkDocs printed which one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for page in pages():
        copy = folder / "pages" / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    config = (CONFIG.read_text(encoding="utf-8")).replace(".site/", f"{folder}/")
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(config)
        file.flush()
        arguments = ["build", "--strict", "--quiet", "--config-file", file.name]
        if cli.main(arguments, standalone_mode=False):
            raise SystemExit(1)


if __name__ == "__main__":
    build(ROOT / ".site")
    print(f"the site is in {ROOT / '.site' / 'html'}", file=sys.stderr)
