"""What a measurement says: samples of one thing, their median and range, what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Bound:
    """What a median must reach, or must not exceed."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` is within."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def __str__(self) -> str:
        parts = [(">=", self.at_least), ("<=", self.at_most)]
        return " ".join(f"{sign} {number(value)}" for sign, value in parts if value is not None)


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one thing, in the order they were taken."""

    question: str
    name: str
    unit: str
    samples: tuple[float, ...]
    bound: Bound | None = None
    """None: shown, not judged."""

    @property
    def median(self) -> float:
        """The sample in the middle."""
        return median(self.samples)

    @property
    def holds(self) -> bool | None:
        """Whether the median is within its bound; None: there is none."""
        return None if self.bound is None else self.bound.holds(self.median)

    def as_json(self) -> dict[str, object]:
        """The figure for a program."""
        bound = self.bound or Bound()
        return {
            "question": self.question,
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "minimum": min(self.samples),
            "maximum": max(self.samples),
            "samples": list(self.samples),
            "at_least": bound.at_least,
            "at_most": bound.at_most,
            "holds": self.holds,
        }


def number(value: float) -> str:
    """A value as short as its size allows: three digits say enough of a measurement."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures: list[Figure]) -> str:
    """All figures, grouped by question."""
    rows: list[tuple[str, str, str, str]] = []
    lines: list[tuple[str, int]] = []
    for figure in figures:
        if not lines or lines[-1][0] != figure.question:
            lines.append((figure.question, len(rows)))
        low, high = number(min(figure.samples)), number(max(figure.samples))
        span = f"{low} - {high}" if len(figure.samples) > 1 else ""
        verdict = "" if figure.holds is None else f"{figure.bound} {_WORDS[figure.holds]}"
        rows.append((f"{figure.name} [{figure.unit}]", number(figure.median), span, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    shown = [
        f"  {name:<{widths[0]}}  {middle:>{widths[1]}}  {span:>{widths[2]}}  {verdict}".rstrip()
        for name, middle, span, verdict in rows
    ]
    for question, position in reversed(lines):
        shown.insert(position, f"\n{question}")
    return "\n".join(shown).lstrip("\n")


_WORDS = {True: "ok", False: "MISSED"}
