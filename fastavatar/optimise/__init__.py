"""The optimisation loop: schedules, early stopping, budgets."""
