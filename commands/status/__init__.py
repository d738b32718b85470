"""`make status` and `make doctor`: one observation of the zone, and what it means.

``situation`` derives from the observation what several others use, ``signs`` is the table of
abnormal states with causes and cures, ``report`` is the model of the JSON output. ``tables`` and
``prometheus`` render a report. All of them are pure; ``__main__`` observes.
"""
