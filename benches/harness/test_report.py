"""What the tables promise. Run by benches/check."""

import tempfile
import unittest
from pathlib import Path

import report
import shapes


def row(floor: float, scalectl: float, compose: float) -> dict:
    seconds = {"floor": floor, "scalectl": scalectl, "compose": compose}
    found = {who: {"up": [it] * 3, "down": [it] * 3} for who, it in seconds.items()}
    for who in ("scalectl", "compose"):
        found[who].update({"no-op": [0.1] * 3, "status": [0.1] * 3})
    return {"about": "a shape", "down_limit": 0.95, "runs": 3, "seconds": found}


class Report(unittest.TestCase):
    def test_ratios_are_of_runs_side_by_side_and_not_of_medians(self):
        self.assertEqual(report.ratio([1, 4, 9], [1, 2, 3]), 2)

    def test_a_bound_that_is_missed_is_shown_as_missed(self):
        self.assertIn("not ≤", report.judged(1.16, 1.15))
        self.assertNotIn("not ≤", report.judged(1.15, 1.15))

    def test_up_must_be_clearly_quicker_only_where_compose_leaves_room(self):
        roomy = report.works({"s": row(1.0, 1.0, 1.5)}, "up")
        tight = report.works({"s": row(1.0, 1.0, 1.4)}, "up")
        self.assertIn("(≤ 0.8)", roomy)
        self.assertIn("(≤ 1.05)", tight)

    def test_only_what_stands_between_the_marks_of_a_page_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
            report.update(page, {"engine": "1.56 29", "machine": "2 cores", "shapes": {"s": row(1, 1, 1)}})
            text = page.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertNotIn("old", text)
        self.assertIn("| s | 1.00 s |", text)


class Shapes(unittest.TestCase):
    def test_an_engine_without_start_interval_checks_often_enough_to_be_measured(self):
        chain = next(shape for shape in shapes.all_shapes() if shape.name == "chain-10")
        self.assertIn('"interval": "1s"', chain.document("p", "1.41"))
        self.assertIn('"interval": "30s"', chain.document("p", "1.52"))


if __name__ == "__main__":
    unittest.main()
