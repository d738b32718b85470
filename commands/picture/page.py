"""One HTML page with both pictures: no script, and nothing that a browser must fetch. Pure."""

from html import escape

from commands.picture import diagram, timeline
from commands.picture.timeline import Story

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1400px }}
body > svg {{ display: block; width: 100% }}
</style>
</head>
<body>
{pictures}
</body>
</html>
"""


def page(story: Story) -> str:
    """Return the page."""
    report = story.report
    title = f"{report.stack}: {report.health}, {report.zone.leader or 'no leader'}"
    pictures = f"{diagram.draw(report)[0]}\n{timeline.draw(story)[0]}"
    return PAGE.format(title=escape(title), pictures=pictures)
