"""Tables and a plot of what was measured, and their place in a document."""

import re
import statistics

WIDTH, LEFT, ROW = 760, 250, 22
COLOURS = ["#2a6f97", "#61a5c2", "#89c2d9", "#bc6c25", "#dda15e", "#a3a380", "#6b705c"]


def median(runs, index):
    figures = [run[index] for run in runs if run[index] is not None]
    return statistics.median(figures) if figures else None


def cell(runs):
    """Ratio of the rate, wire bytes / payload, and how many runs, unless three."""
    if not runs:
        return "–"
    few = "" if len(runs) >= 3 else f" ×{len(runs)}"
    return f"{median(runs, 0):.2f} ({median(runs, 1):.3f}){few}"


def table(rows, heads):
    """Markdown of {row: {head key: runs}} under {key: head}."""
    lines = ["| | " + " | ".join(heads.values()) + " |", "|---|" + "---|" * len(heads)]
    for row, cells in rows.items():
        lines.append(f"| {row} | " + " | ".join(cell(cells.get(key)) for key in heads) + " |")
    return "\n".join(lines)


def plot(rows, heads):
    """SVG: bars of the ratios, link by link."""
    parts, y = [], 10
    text = '<text x="{}" y="{}" font-size="{}" text-anchor="{}">{}</text>'
    for key, head in heads.items():
        parts.append(text.format(10, y + 14, 14, "start", head))
        y += ROW
        for number, (row, cells) in enumerate(rows.items()):
            if not cells.get(key):
                continue
            share = median(cells[key], 0)
            width = min(share, 3.2) / 3.2 * (WIDTH - LEFT - 60) if share > 1.05 else share * (WIDTH - LEFT - 60)
            parts.append(text.format(LEFT - 8, y + 14, 12, "end", row))
            parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{width:.0f}" height="{ROW - 6}" fill="{COLOURS[number % len(COLOURS)]}"/>')
            parts.append(text.format(f"{LEFT + width + 6:.0f}", y + 14, 12, "start", f"{share:.2f}"))
            y += ROW
        y += ROW // 2
    style = 'font-family="sans-serif" fill="#222"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" {style}>\n' + "\n".join(parts) + "\n</svg>\n"


def place(path, name, content):
    """Puts content between `<!-- bench NAME -->` and `<!-- end -->` of a document; adds that at the end if it is not there."""
    with open(path) as file:
        document = file.read()
    block = f"<!-- bench {name} -->\n{content}\n<!-- end -->"
    pattern = re.compile(rf"<!-- bench {re.escape(name)} -->\n.*?\n<!-- end -->", re.DOTALL)
    if pattern.search(document):
        document = pattern.sub(lambda _: block, document)
    else:
        document = document.rstrip() + "\n\n" + block + "\n"
    with open(path, "w") as file:
        file.write(document)
