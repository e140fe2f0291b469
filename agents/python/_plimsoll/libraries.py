"""Job libraries that need no change of the worker's code."""


class Libraries:
    def __init__(self, agent):
        self.agent = agent

    def start(self):
        pass

    def close(self):
        return False

    def stop(self):
        pass
