"""The report: one page, in one file, of what a network does with a picture. It needs no network to be read."""

from convscope.report.page import make_report

__all__ = ["make_report"]
