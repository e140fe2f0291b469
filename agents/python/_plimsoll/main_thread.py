"""Runs something in the main thread, between two of its instructions.

Finalizers that a collection runs belong to the worker, so they are to run where the worker would run them. A main
thread that waits in a system call comes to it when it wakes up.
"""

import ctypes

import _thread


class MainThread:
    def __init__(self, function):
        self.asked = False
        self._function = function
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._run)
        self._add = ctypes.pythonapi.Py_AddPendingCall

    def ask(self):
        if not self.asked:
            self.asked = self._add(self._callback, None) == 0

    def _run(self, _argument):
        self.asked = False
        try:
            self._function()
        except KeyboardInterrupt:
            # It came while we were at work, but it is the worker's.
            _thread.interrupt_main()
        except BaseException:
            pass
        return 0
