"""Worker processes that run one call at a time, report crashes and timeouts, and end with everything that they have started."""

from hoibench.processes.messages import MessageHandler, handle_messages, send
from hoibench.processes.output_log import OnLine, OutputLog
from hoibench.processes.pool import TaskPool
from hoibench.processes.preloading import start_preloading
from hoibench.processes.worker import PoolStopped, Worker, WorkerCrash, call_once, end_forks

__all__ = [
    "MessageHandler",
    "OnLine",
    "OutputLog",
    "PoolStopped",
    "TaskPool",
    "Worker",
    "WorkerCrash",
    "call_once",
    "end_forks",
    "handle_messages",
    "send",
    "start_preloading",
]
