"""The optimisation loop: schedules, early stopping, budgets."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.optimise.loop import Progress as Progress
    from fastavatar.optimise.loop import RunResult as RunResult
    from fastavatar.optimise.loop import optimise as optimise
    from fastavatar.optimise.schedule import AdamSettings as AdamSettings
    from fastavatar.optimise.schedule import ExampleOrder as ExampleOrder
    from fastavatar.optimise.schedule import Schedule as Schedule
    from fastavatar.optimise.schedule import Stage as Stage

__getattr__ = lazy_attributes(
    __name__,
    {
        ".loop": ["Progress", "RunResult", "optimise"],
        ".schedule": ["AdamSettings", "ExampleOrder", "Schedule", "Stage"],
    },
)
