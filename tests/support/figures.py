"""Figures that tests measure, printed at the end of a run (docs promise that every figure is printed)."""

import pytest


def note_figure(request: pytest.FixtureRequest, figure: str) -> None:
    """Keep a line for the end of the run; it also travels from a process of xdist."""
    request.node.user_properties.append(("figure", figure))


def print_figures(terminal: pytest.TerminalReporter) -> None:
    """Print the lines that tests kept."""
    figures = {
        str(line)
        for reports in terminal.stats.values()
        for report in reports
        for name, line in getattr(report, "user_properties", ())
        if name == "figure"
    }
    if figures:
        terminal.section("figures")
        for line in sorted(figures):
            terminal.line(line)
