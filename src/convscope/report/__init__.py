"""The report: one page, in one file, of what a network does with a picture. It needs no network to be read."""

from convscope.report.context import QUICK, SECTIONS, ReportOptions
from convscope.report.page import Report, make_report

__all__ = ["QUICK", "SECTIONS", "Report", "ReportOptions", "make_report"]
