"""A recording as a picture: waveform, spectrogram, pitch, level and chroma on one axis of time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fusionser.errors import SettingsError
from fusionser.features.filters import mel_edges
from fusionser.model import Predictor
from fusionser.plots.occlusion import Occlusion, Progress, draw_occlusion, measure_occlusion
from fusionser.plots.recording import N_MELS, HeardRecording, Recording, hear
from fusionser.plots.style import TITLE_SIZE, WIDTH, name_panel, note, seconds_text, set_time, titled
from fusionser.reporting.drawing import Axes, AxesImage, Figure, FixedLocator, FuncFormatter, NullLocator
from fusionser.reporting.figures import COLORS

__all__ = ["draw_sound", "sound_figure"]

HEAT, DARKEST = "viridis", "#440154"
"""Colours of levels: from dark to bright without a turn, also in black and white, and for colour-blind readers."""

FEW_POINTS, MOST_LINED, COLUMNS = 50, 20_000, 2_000
"""Samples or frames up to which each is marked, most samples that are a line, and columns of the outline of more."""

DRAWN_AS_PIXELS = 6_000
"""Frames from which a curve is drawn as pixels in SVG and PDF, which would be large otherwise."""

DYNAMIC_RANGE = 70.0
"""Decibels between the loudest and the darkest level of the spectrogram."""

FREQUENCIES = (0, 250, 500, 1000, 2000, 4000, 8000)
PITCHES, FEW_PITCHES = (60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600), (60, 100, 150, 200, 300, 400, 600)
NOTES = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}
"""Ticks: frequencies in Hz, pitches where at most two octaves are shown, and where more are, and pitch classes."""

Panel = Callable[[Axes, Axes, HeardRecording], None]


def sound_figure(
    recording: Recording,
    *,
    sampling_rate: int | None = None,
    channel: int | str | None = None,
    start: float = 0.0,
    end: float | None = None,
    model: Predictor | None = None,
    progress: Progress | None = None,
) -> Figure:
    """Draw waveform, log-mel spectrogram, pitch, level and chroma of a recording over time.

    The quantities are those of the feature blocks ``mel``, ``rms`` and ``chroma``, and the pitch is that of ``pitch``,
    in frames of 64 ms every 10 ms, at 16 kHz or the lower rate of the recording.

    Parameters
    ----------
    recording : HeardRecording, str, path, bytes, binary file, array, or pair (samples, rate)
        Of at most 5 minutes, or a part of it is. What `hear` gave is drawn as it is.
    sampling_rate : int, optional
        Rate of an array in Hz.
    channel : int or {"left", "right", "mean"}, optional
        The channel of a file, from 1. None is the mean of all.
    start, end : float
        The part to show, in seconds from the beginning. None is the end of the recording.
    model : Model or OnnxModel, optional
        Also draw which stretches moved its answer, as `measure_occlusion` finds them.
    progress : callable, optional
        Called with the number of predictions that are done, and of all.

    Returns
    -------
    Figure

    Raises
    ------
    AudioError
        If the recording cannot be decoded, or is too long.
    SettingsError
        If there are several recordings, the model cannot be used, or a part or channel of what `hear` gave is named.

    Examples
    --------
    >>> samples = 0.1 * np.sin(2 * np.pi * 220 / 16000 * np.arange(16000))
    >>> figure = sound_figure((samples, 16000))
    >>> [axes.get_title(loc="left").split(",")[0] for axes in figure.axes if axes.get_title(loc="left")][:3]
    ['Waveform', 'Log-mel spectrogram', 'Pitch']
    >>> figure.savefig("tone.png")  # doctest: +SKIP
    """
    if isinstance(recording, HeardRecording):
        if (sampling_rate, channel, start, end) != (None, None, 0.0, None):
            raise SettingsError("the recording is decoded; name its rate, channel, start and end when you call hear()")
        heard = recording
    else:
        heard = hear(recording, sampling_rate=sampling_rate, channel=channel, start=start, end=end)
    return draw_sound(heard, None if model is None else measure_occlusion(heard, model, progress=progress))


def draw_sound(heard: HeardRecording, occlusion: Occlusion | None = None) -> Figure:
    """Draw what `sound_figure` draws of a decoded recording."""
    panels: list[tuple[Panel, float]] = [(_draw_waveform, 1.3)]
    if not heard.is_silent:
        panels += [(_draw_mel, 2.0), (_draw_pitch, 1.4), (_draw_level, 1.1), (_draw_chroma, 1.3)]
    if occlusion is not None:
        panels.append((lambda axes, _, __: draw_occlusion(axes, occlusion), 1.4))
    heights = [height for _, height in panels]
    figure = Figure(figsize=(WIDTH, 1.2 + 1.25 * sum(heights)), layout="constrained")
    # Scales of colours are beside the panels, so that all panels are equally wide.
    grid = figure.subplots(
        len(panels), 2, squeeze=False, gridspec_kw={"height_ratios": heights, "width_ratios": [1, 0.018]}
    )
    for (axes, beside), (draw, _) in zip(grid, panels, strict=True):
        beside.set_axis_off()
        draw(axes, beside, heard)
        set_time(axes, heard.start, heard.end, labelled=axes is grid[-1][0])
    figure.suptitle(titled(_title(heard)), fontsize=TITLE_SIZE)
    return figure


def _title(heard: HeardRecording) -> str:
    channels = heard.channels or 1
    mixed = f", {channels} channels" if channels > 1 else ""
    return f"{Path(heard.name).name} ({seconds_text(heard.seconds)}, {heard.sampling_rate} Hz{mixed})"


def _draw_waveform(axes: Axes, _: Axes, heard: HeardRecording) -> None:
    samples = heard.samples
    if samples.size <= MOST_LINED:
        times = heard.start + np.arange(samples.size) / heard.sampling_rate
        marked = "." if samples.size <= FEW_POINTS else None
        axes.plot(times, samples, color=COLORS[0], linewidth=0.7, marker=marked)
    else:
        starts = np.linspace(0, samples.size, COLUMNS, endpoint=False).astype(int)
        low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
        axes.fill_between(heard.start + starts / heard.sampling_rate, low, high, color=COLORS[0], linewidth=0.4)
    most = max(1.1 * float(np.abs(samples).max()), 0.01)
    axes.set(ylim=(-1.3 * most, most), ylabel="amplitude")
    axes.set_axisbelow(True)
    axes.grid(axis="x", linewidth=0.4)
    if heard.is_silent:
        note(axes, "silent: nothing can be measured")
    spoken = heard.speech_seconds()
    if spoken:
        bar = (-1.27 * most, 0.16 * most)
        axes.broken_barh(spoken, bar, facecolor=COLORS[2], edgecolor="none", label="speech")
    share = f", speech (bar at the bottom) {100 * heard.speech.mean():.0f} % of the time"
    name_panel(axes, f"Waveform, full scale is -1 to 1{share if spoken else ''}")


def _draw_mel(axes: Axes, beside: Axes, heard: HeardRecording) -> None:
    top = float(heard.log_mel.max())
    image = axes.imshow(
        heard.log_mel,
        origin="lower",
        aspect="auto",
        cmap=HEAT,
        vmin=top - DYNAMIC_RANGE,
        vmax=top,
        extent=(*_span(heard), -0.5, N_MELS - 0.5),
    )
    rate = heard.frames.sampling_rate
    shown = [frequency for frequency in FREQUENCIES if frequency <= rate / 2]
    # The centre of band k is edge k + 1.
    places = np.interp(shown, mel_edges(rate, N_MELS, None), np.arange(N_MELS + 2) - 1.0)
    axes.set_yticks(np.clip(places, -0.5, N_MELS - 0.5), [str(frequency) for frequency in shown])
    axes.set_ylabel("frequency, Hz")
    _scale(axes, beside, image, "dB")
    name_panel(axes, f"Log-mel spectrogram, {N_MELS} bands")


def _draw_pitch(axes: Axes, _: Axes, heard: HeardRecording) -> None:
    frequency, voiced = heard.pitch.frequency, heard.pitch.voiced
    axes.set_yscale("log")
    axes.set_ylabel("pitch, Hz")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if not voiced.any():
        axes.set_ylim(75, 400)
        axes.yaxis.set_major_locator(FixedLocator(FEW_PITCHES))
        name_panel(axes, "Pitch")
        note(axes, "no voiced frames")
        return
    median = float(np.median(frequency[voiced]))
    many = frequency.size > DRAWN_AS_PIXELS
    axes.plot(heard.times[voiced], frequency[voiced], ".", color="black", markersize=2 if many else 4, rasterized=many)
    axes.axhline(median, color=COLORS[2], linewidth=1.2, linestyle="--")
    # At least an octave is shown, so that a monotone does not look lively.
    low, high = float(frequency[voiced].min()), float(frequency[voiced].max())
    wider = max(2.0 / (high / low), 1.0) ** 0.5
    axes.set_ylim(low / wider / 1.08, high * wider * 1.08)
    axes.yaxis.set_major_locator(FixedLocator(FEW_PITCHES if high / low > 4 else PITCHES))
    axes.grid(linewidth=0.4)
    name_panel(axes, f"Pitch, median {median:.0f} Hz (dashed)")


def _draw_level(axes: Axes, _: Axes, heard: HeardRecording) -> None:
    level = heard.level
    many = level.size > DRAWN_AS_PIXELS
    axes.plot(
        heard.times,
        level,
        color=COLORS[0],
        linewidth=0.6 if many else 1.3,
        marker="." if level.size <= FEW_POINTS else None,
        rasterized=many,
    )
    low = max(float(level.min()), float(level.max()) - DYNAMIC_RANGE)
    axes.set(ylim=(low - 3, max(float(level.max()) + 4, low + 10)), ylabel="level, dBFS")
    axes.grid(linewidth=0.4)
    name_panel(axes, "Energy: root mean square of each frame, relative to full scale")


def _draw_chroma(axes: Axes, beside: Axes, heard: HeardRecording) -> None:
    image = axes.imshow(
        heard.chroma,
        origin="lower",
        aspect="auto",
        cmap=HEAT,
        vmin=0.0,
        vmax=1.0,
        extent=(*_span(heard), -0.5, 11.5),
    )
    axes.set_yticks(list(NOTES), list(NOTES.values()), fontsize=8)
    axes.set_ylabel("pitch class")
    _scale(axes, beside, image, "share of the strongest")
    name_panel(axes, "Chroma")


def _span(heard: HeardRecording) -> tuple[float, float]:
    """Return where the first frame begins and the last one ends, if each is as long as the distance between two."""
    half = heard.frames.hop_length / heard.frames.sampling_rate / 2
    return float(heard.times[0]) - half, float(heard.times[-1]) + half


def _scale(axes: Axes, beside: Axes, image: AxesImage, label: str) -> None:
    """Draw the scale of the colours of a panel; what no frame covers at its ends is dark, too."""
    axes.set_facecolor(DARKEST)
    beside.set_axis_on()
    axes.figure.colorbar(image, cax=beside)
    beside.set_ylabel(label, fontsize=8)
    beside.tick_params(labelsize=8)
