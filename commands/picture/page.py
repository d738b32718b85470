"""One HTML page with both pictures: no script, and nothing that a browser must fetch. Pure."""

from html import escape
from string import Template

from commands.picture import diagram, timeline
from commands.picture.timeline import Story

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>$title</title>
<style>
body { margin: 0 auto; max-width: 1400px; background: var(--bg); overflow-wrap: anywhere }
body > svg { display: block; width: 100% }
main { display: grid; grid-template-columns: 1fr auto; gap: 6px 24px; padding: 24px 24px 0 }
main > p, .hosts { grid-column: 1 / -1 }
h1, h2, p, ul { margin: 0; padding: 0 }
h1 { font-size: 20px } h2 { font-size: 16px }
.pill, .cut, header { padding: 5px 16px; border-radius: 6px }
.pill { border-radius: 17px; width: fit-content; font-weight: 700 }
strong.pill { font-size: 17px; place-self: start end }
.cut { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
  overflow: hidden }
.pale { background: var(--pale); border: 1.5px solid }
.dashed { border-style: dashed }
body .filled { background: var(--tone); color: var(--on) }
.hosts { display: grid; grid-template-columns: repeat(auto-fit, minmax(256px, 1fr));
  gap: 0 24px; margin-top: 14px }
article { display: grid; grid-row: span 2; grid-template-rows: subgrid; margin-bottom: 24px }
article .pill { margin: 0 12px 6px }
section { border: 2px solid; border-radius: 8px; background: var(--panel) }
section.critical { border-width: 3px }
header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 8px;
  font-size: 17px; border-radius: 6px 6px 0 0 }
header.pale { border-width: 0 0 1.5px }
ul { list-style: none; padding: 12px 16px; line-height: 20px; color: var(--ink) }
li:empty { height: 8px } li.cut { padding: 0 }
.dot::before { content: "● " } .dot.ok { color: inherit } .dot.ok::before { color: var(--ok) }
meter { width: 100%; height: 12px }
</style>
</head>
<body>
$pictures
</body>
</html>
""")


def page(story: Story) -> str:
    """Return the page."""
    report = story.report
    title = f"{report.stack}: {report.health}, {report.zone.leader or 'no leader'}"
    # The colours are in the style sheet of the timeline, which is also read by itself.
    pictures = f"{diagram.draw(report)}\n{timeline.draw(story)}"
    return PAGE.substitute(title=escape(title), pictures=pictures)
