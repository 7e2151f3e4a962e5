"""What a run cost in energy, and what that comes to in carbon dioxide: an estimate, with its assumptions beside it."""

from __future__ import annotations

from typing import Any

import torch

# A server core under load with its share of memory and fans; the order of magnitude, not a measurement.
WATTS_A_CPU_THREAD = 12.0


def watts_of(device: torch.device, num_threads: int) -> tuple[float, str]:
    """The power that one rank draws, and where the number is from."""
    if device.type == "cuda":
        try:
            # The driver reports milliwatts, of this moment.
            return torch.cuda.power_draw(
                device
            ) / 1000, "power draw of the GPU as its driver reports it at the end of the run"
        except Exception:
            return 300.0, "300 W a GPU, assumed: the driver reports none"
    return WATTS_A_CPU_THREAD * num_threads, f"{WATTS_A_CPU_THREAD:.0f} W a CPU thread, assumed"


def estimate(
    *, seconds: float, watts: float, num_ranks: int, grams_per_kwh: float, source: str
) -> dict[str, Any]:
    """Energy in kilowatt hours, and grams of carbon dioxide at the given intensity."""
    energy = seconds / 3600 * watts * num_ranks / 1000
    return {
        "energy_kwh": energy,
        "co2_grams": energy * grams_per_kwh,
        "assumptions": f"{source}; {grams_per_kwh:.0f} g of CO2 a kWh; training steps only, cooling left out",
    }
