"""Diagnosis: a session in its surroundings becomes a verdict."""

from pcapdiag.diagnosis.judge import judge

__all__ = ["judge"]
