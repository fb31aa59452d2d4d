"""What a service counts, in the format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Measures"]


class Measures:
    """Counters of one service.

    Examples
    --------
    >>> measures = Measures()
    >>> measures.clips.labels(answer="angry").inc()
    >>> b'fusionser_clips_total{answer="angry"} 1.0' in measures.page()
    True
    """

    def __init__(self) -> None:
        self.registry = kept = CollectorRegistry()
        self.requests = Counter("fusionser_requests", "Requests by path and status", ["path", "status"], registry=kept)
        self.seconds = Histogram("fusionser_request_seconds", "Time from request to answer", ["path"], registry=kept)
        self.clips = Counter(
            "fusionser_clips", "Recordings by answer; 'error' for those without", ["answer"], registry=kept
        )
        self.windows = Counter("fusionser_windows", "Windows of streams that were answered", registry=kept)
        self.losses = Counter("fusionser_worker_losses", "Processes that were lost", registry=kept)
        self.waiting = Gauge("fusionser_waiting", "Recordings that wait for a process", registry=kept)
        self.ready = Gauge("fusionser_workers_ready", "Processes that can predict", registry=kept)
        self.streams = Gauge("fusionser_streams", "Open streams", registry=kept)
        self.held = Gauge("fusionser_bytes_held", "Bytes of requests in work", registry=kept)

    def page(self) -> bytes:
        """Return all counters as text."""
        return generate_latest(self.registry)
