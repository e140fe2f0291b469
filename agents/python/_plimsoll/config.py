"""What Plimsoll asks of the agent, from the environment."""

import json
import os
import stat

VARIABLE = "PLIMSOLL_AGENT"


class Config:
    """The fields of docs/formats/agent.md, with defaults for what is absent or makes no sense."""

    def __init__(self, given):
        self.socket = given["socket"]
        self.evidence_dir = _text(given.get("evidence_dir"))
        capture = given.get("capture", "auto")
        self.capture = sorted(n for n in capture if isinstance(n, int)) if isinstance(capture, list) else capture
        jobs = given.get("jobs")
        self.jobs = jobs if isinstance(jobs, int) and jobs > 0 else None
        budget = given.get("pause_budget")
        self.pause_budget = float(budget) if isinstance(budget, (int, float)) else 0.02
        self.hold_job_starts = given.get("hold_job_starts") is True
        self.floors = given.get("floors") is not False
        self.attached = given.get("attached") is True


def read_config(text=None):
    """The configuration, or None where the agent is to do nothing at all."""
    text = text or os.environ.get(VARIABLE)
    if not text:
        return None
    given = json.loads(text)
    path = given.get("socket")
    if not isinstance(path, str):
        return None
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return None
    return Config(given) if is_socket else None


def _text(value):
    return value if isinstance(value, str) else None
