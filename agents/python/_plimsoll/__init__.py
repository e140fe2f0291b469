"""The agent of Plimsoll inside a Python worker: standard library only, fails open, keeps no process alive."""

agent = None


def start():
    """Starts the agent if the environment asks for it and somebody listens. Never raises on purpose."""
    global agent
    if agent is not None:
        return
    from .config import read_config

    config = read_config()
    if config is None:
        return
    from .agent import Agent

    started = Agent(config)
    started.start()
    agent = started
