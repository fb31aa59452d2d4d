"""Emotions over time: windows of long recordings and of streams, speech, segments, and how they are written.

- `fusionser.timeline.windows`: samples to windows,
- `fusionser.timeline.speech`: where somebody speaks,
- `fusionser.timeline.stream`: windows to answers, for samples that arrive piece by piece,
- `fusionser.timeline.segments`: answers to segments,
- `fusionser.timeline.predict`: a recording to its time line.
"""

from fusionser.timeline.predict import Timeline, predict_timeline
from fusionser.timeline.stream import NO_SPEECH, StreamPredictor

__all__ = ["NO_SPEECH", "StreamPredictor", "Timeline", "predict_timeline"]
