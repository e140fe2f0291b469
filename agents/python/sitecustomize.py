# Loaded by every Python process below `plimsoll run`, since its folder is the first of PYTHONPATH.
#
# Starts the agent, then lets the user's own sitecustomize have its turn as if this one were not there.
# Older interpreters read this file too: nothing in it is newer than Python 2.7.
import os
import sys


def _start():
    here = os.path.dirname(os.path.abspath(__file__))
    # Last of all, so that no module of the worker's is ever hidden by one of ours.
    sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != here or not entry]
    sys.path.append(here)
    if sys.version_info >= (3, 9) and os.environ.get("PLIMSOLL_AGENT"):
        import _plimsoll

        _plimsoll.start()


def _chain():
    own = sys.modules.pop("sitecustomize", None)
    path = list(sys.path)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in path if not entry or os.path.abspath(entry) != here]
    sys.path_importer_cache.pop(here, None)
    try:
        import sitecustomize  # noqa: F401  (the user's, if there is one)
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        if own is not None:
            sys.modules.setdefault("sitecustomize", own)
    finally:
        if here not in sys.path:
            sys.path.append(here)


try:
    _start()
except Exception:
    pass  # An agent that cannot start leaves the worker as it is.
_chain()
