"""Build the documentation's web site: `make site`."""

import shutil
import sys
from pathlib import Path

from mkdocs.commands import build
from mkdocs.config import load_config

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "mkdocs.yml"


def pages() -> list[Path]:
    """Return the Markdown files of the site. In the repository they link to each other, too."""
    return sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("lab/*/README.md")))


def write(folder: Path) -> None:
    """Build the site in ``folder``/html, strictly: a link that leads nowhere is an error.

    MkDocs reads one folder, so the pages are copied with their places in the repository.

    Raises:
        SystemExit: a page or a link is wrong; MkDocs logged which one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for page in (*pages(), *(file for file in ROOT.glob("docs/**/*.*") if file.suffix != ".md")):
        copy = folder / "pages" / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    with CONFIG.open("rb") as file:
        build.build(
            load_config(
                file,
                docs_dir=str(folder / "pages"),
                site_dir=str(folder / "html"),
                strict=True,
            )
        )


if __name__ == "__main__":
    write(ROOT / ".site")
    print(f"the site is in {ROOT / '.site' / 'html'}", file=sys.stderr)
