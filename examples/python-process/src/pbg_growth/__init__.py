"""Exponential growth as a process-bigraph process."""

from pbg_growth.processes import Growth

__all__ = ["Growth"]
