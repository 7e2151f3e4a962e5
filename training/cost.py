"""The energy that a run uses and the resulting carbon dioxide: an estimate that states its assumptions."""

from __future__ import annotations

from typing import Any

import torch

from iconoclip.rundir import RunDir

# A server core under load with its share of memory and fans; the order of magnitude, not a measurement.
WATTS_PER_CPU_THREAD = 12.0
WATTS_PER_GPU = 300.0


def watts_of(device: torch.device, num_threads: int) -> tuple[float, str]:
    """The power that one rank uses at this moment, and the source of the number."""
    if device.type != "cuda":
        return WATTS_PER_CPU_THREAD * num_threads, f"{WATTS_PER_CPU_THREAD:.0f} W per CPU thread, assumed"
    try:
        # The driver reports milliwatts.
        return torch.cuda.power_draw(
            device
        ) / 1000, "power draw of a GPU as its driver reports it in training"
    except Exception as error:
        # Without pynvml, or if the driver or container does not report it. Each case raises another error.
        reason = f"the driver reports none ({type(error).__name__})"
        return WATTS_PER_GPU, f"{WATTS_PER_GPU:.0f} W per GPU, assumed: {reason}"


def seconds_recorded(run: RunDir) -> float:
    """The training time of the run so far. A process that was killed left it in its last metrics only."""
    lines = (float(line["train_seconds"]) for line in run.metrics() if "train_seconds" in line)
    return max([float(run.job.get("train_seconds", 0.0)), *lines])


class EnergyMeter:
    """The energy used by a run so far, from the mean power of one rank over all readings.

    Args:
        seconds_before: the training time of earlier processes of the run.
        num_ranks: the number of ranks, each of which uses the same power.
        grams_per_kwh: the carbon intensity of the electricity.
    """

    def __init__(self, *, seconds_before: float, num_ranks: int, grams_per_kwh: float) -> None:
        self._seconds_before, self._num_ranks, self._grams_per_kwh = seconds_before, num_ranks, grams_per_kwh
        self._watts_sum, self._num_asked = 0.0, 0

    def run_seconds(self, seconds: float) -> float:
        """The training time of all processes of the run, after `seconds` of this one."""
        return self._seconds_before + seconds

    def read(self, seconds: float, device: torch.device) -> dict[str, Any]:
        """Energy in kilowatt hours and grams of carbon dioxide after `seconds` of this process's training."""
        watts, source = watts_of(device, torch.get_num_threads())
        self._watts_sum += watts
        self._num_asked += 1
        return estimate(
            seconds=self.run_seconds(seconds),
            watts=self._watts_sum / self._num_asked,
            num_ranks=self._num_ranks,
            grams_per_kwh=self._grams_per_kwh,
            source=source,
        )


def estimate(
    *, seconds: float, watts: float, num_ranks: int, grams_per_kwh: float, source: str
) -> dict[str, Any]:
    """Energy in kilowatt hours, and grams of carbon dioxide at the given intensity."""
    energy = seconds / 3600 * watts * num_ranks / 1000
    return {
        "energy_kwh": energy,
        "co2_grams": energy * grams_per_kwh,
        "assumptions": f"{source}; {grams_per_kwh:.0f} g of CO2 per kWh; "
        "training steps only, cooling left out",
    }
